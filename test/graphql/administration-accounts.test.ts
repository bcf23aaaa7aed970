import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { PrintedMailer } from "../../src/email/printed.js";
import { CREATE_USER, DELETE_USER, UPDATE_USER, USER, USERS } from "../support/administration-operations.js";
import { error } from "../support/answers.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { LOGIN, ME } from "../support/operations.js";
import { auditEventsOf } from "../support/tables.js";
import { makeUser, type SignedIn } from "../support/users.js";

const taken = (field: string) =>
  error(`This ${field} is already in use.`, { code: "CONFLICT", field: `input.${field}` });

describe.each(DATABASES)("administration on %s", (database) => {
  let app: App;
  let admin: SignedIn;
  let bob: SignedIn;
  beforeAll(async () => {
    app = await makeApp({ database });
    admin = await makeUser(app, "admin", ["ADMIN"]);
    await makeUser(app, "alice");
    bob = await makeUser(app, "bob");
  });
  afterAll(() => app.close());

  const lastEventOf = async (id: string) => (await auditEventsOf(app.latchkey.db, id)).at(-1);

  describe("createUser", () => {
    test("creates an unverified user without a password, and sends an invitation (row 47)", async () => {
      const input = {
        username: "Invited",
        email: "Invited@Example.com",
        fullName: "Ida",
        roles: ["ADMIN" as const],
      };
      const { data } = await app.send(CREATE_USER, { input }, admin);
      const { id } = data!.createUser;
      expect(data!.createUser).toMatchObject({
        username: "invited",
        email: "invited@example.com",
        emailVerified: false,
        fullName: "Ida",
        disabled: false,
        roles: ["USER", "ADMIN"],
      });
      const { db } = app.latchkey;
      const emails = db.selectFrom("outbox").select(["kind", "email"]).where("user_id", "=", id);
      expect(await emails.execute()).toEqual([{ kind: "INVITATION", email: "invited@example.com" }]);
      const hashes = db.selectFrom("credentials").select("user_id").where("user_id", "=", id);
      expect(await hashes.execute()).toEqual([]);
      const login = await app.send(LOGIN, { username: "invited", password: PASSWORD });
      expect(login.errors![0]!.extensions).toEqual({ code: "INVALID_CREDENTIALS" });
      expect(await auditEventsOf(db, id)).toContainEqual({
        type: "USER_CREATED",
        actorId: admin.id,
        sessionId: null,
        details: { username: "invited", roles: ["USER", "ADMIN"] },
      });
      await app.send(DELETE_USER, { id }, admin);
    });

    test("is refused with a reason if no invitation can be sent", async () => {
      const production = await makeApp({
        databaseUrl: app.databaseUrl,
        clock: app.clock,
        env: { NODE_ENV: "production", PUBLIC_URL: "https://auth.example.com" },
      });
      try {
        const { accessToken: token } = await production.login("admin");
        const input = { username: "uninvited", email: "uninvited@example.com" };
        const { status, errors } = await production.send(CREATE_USER, { input }, { token });
        expect(status).toBe(403);
        expect(errors).toEqual(
          error("Invitations cannot be sent: SMTP_URL is not set. Set it, or run `latchkey user create`.", {
            code: "FORBIDDEN",
          }),
        );
        expect((await app.send(USERS, { search: "uninvited" }, admin)).data?.users.nodes).toEqual([]);
      } finally {
        await production.close();
      }
    });

    test.each([
      ["a taken username", { username: "ALICE", email: "new@example.com" }, "username"],
      ["a duplicate email", { username: "newcomer", email: "Alice@example.com" }, "email"],
    ])("answers CONFLICT for %s, and writes nothing", async (_what, input, field) => {
      const { db } = app.latchkey;
      const { status, errors } = await app.send(CREATE_USER, { input }, admin);
      expect(status).toBe(200);
      expect(errors).toEqual(taken(field));
      const emails = db.selectFrom("outbox").selectAll().where("email", "=", input.email.toLowerCase());
      expect(await emails.execute()).toEqual([]);
      expect((await app.send(USERS, { search: "newcomer" }, admin)).data?.users.nodes).toEqual([]);
    });

    test.each([
      ["username", { username: "a b c", email: "x@example.com" }],
      ["email", { username: "newcomer", email: "no address" }],
      ["fullName", { username: "newcomer", email: "x@example.com", fullName: "a\nb" }],
    ])("names the argument if the %s is not valid", async (field, input) => {
      const { status, errors } = await app.send(CREATE_USER, { input }, admin);
      expect(status).toBe(400);
      expect(errors![0]!.extensions).toEqual({
        code: "BAD_USER_INPUT",
        violations: [{ field: `input.${field}`, rule: field, message: expect.stringMatching(" must be ") }],
      });
    });
  });

  describe("updateUser", () => {
    test("changes only the given fields; sessions continue, and a new address counts as verified", async () => {
      const carol = await makeUser(app, "carol");
      const rename = { id: carol.id, input: { username: "Caroline", fullName: "Caroline" } };
      expect((await app.send(UPDATE_USER, rename, admin)).data?.updateUser).toMatchObject({
        username: "caroline",
        email: "carol@example.com",
        fullName: "Caroline",
      });
      expect(await lastEventOf(carol.id)).toEqual({
        type: "USER_UPDATED",
        actorId: admin.id,
        sessionId: null,
        details: { changed: ["username", "fullName"] },
      });
      const { db } = app.latchkey;
      await db.updateTable("users").set({ email_verified_at: null }).where("id", "=", carol.id).execute();
      const move = { id: carol.id, input: { email: "Caroline@example.com", fullName: null } };
      expect((await app.send(UPDATE_USER, move, admin)).data?.updateUser).toMatchObject({
        email: "caroline@example.com",
        emailVerified: true,
        fullName: null,
      });
      expect((await app.send(ME, {}, carol)).data?.me.email).toBe("caroline@example.com");
      await app.send(DELETE_USER, { id: carol.id }, admin);
    });

    test("a change of the username or the address is reported to the old address (row 46)", async () => {
      const mary = await makeUser(app, "mary");
      const input = { username: "maryann", email: "maryann@example.com", fullName: "Mary Ann" };
      await app.send(UPDATE_USER, { id: mary.id, input }, admin);
      await app.latchkey.outbox.deliverDue();
      const emailsToMary = () =>
        (app.latchkey.mailer as PrintedMailer).emails
          .filter(({ to }) => to.startsWith("mary"))
          .map(({ to, subject, text }) => [to, subject, text])
          .sort();
      const notices = [
        [
          "mary@example.com",
          "Your email address was changed",
          expect.stringContaining(
            "is now maryann\u2060\u200b@\u2060\u200bexample\u2060\u200b.\u2060\u200bcom.",
          ),
        ],
        ["mary@example.com", "Your username was changed", expect.stringContaining("It is now maryann.")],
      ];
      expect(emailsToMary()).toEqual(notices);
      await app.send(UPDATE_USER, { id: mary.id, input: { fullName: null } }, admin);
      await app.latchkey.outbox.deliverDue();
      expect(emailsToMary()).toEqual(notices);
      await app.send(DELETE_USER, { id: mary.id }, admin);
    });

    test("nothing is sent to an address that was never verified", async () => {
      const input = { username: "peggy", email: "strangers@example.com" };
      const { id } = (await app.send(CREATE_USER, { input }, admin)).data!.createUser;
      await app.latchkey.outbox.deliverDue();
      const change = { username: "peggy-sue", email: "peggy@example.com" };
      const { data } = await app.send(UPDATE_USER, { id, input: change }, admin);
      expect(data?.updateUser).toMatchObject({ ...change, emailVerified: true });
      await app.latchkey.outbox.deliverDue();
      const { emails } = app.latchkey.mailer as PrintedMailer;
      expect(emails.filter(({ to }) => to === input.email).map(({ subject }) => subject)).toEqual([
        "You are invited",
      ]);
      await app.send(DELETE_USER, { id }, admin);
    });

    test("tokens sent to the old address no longer work", async () => {
      const carol = await makeUser(app, "carol");
      const { db } = app.latchkey;
      const token = { token_hash: "hash", user_id: carol.id, email: "carol@example.com", used_at: null };
      const expires_at = app.clock.now() + 1000;
      await db
        .insertInto("one_time_tokens")
        .values({ ...token, purpose: "PASSWORD_RESET", expires_at })
        .execute();
      await app.send(UPDATE_USER, { id: carol.id, input: { email: "new@example.com" } }, admin);
      expect(
        await db.selectFrom("one_time_tokens").selectAll().where("user_id", "=", carol.id).execute(),
      ).toEqual([]);
      await app.send(DELETE_USER, { id: carol.id }, admin);
    });

    test("an update that changes nothing is not an audit event", async () => {
      const before = await auditEventsOf(app.latchkey.db, bob.id);
      const input = { username: "BOB", email: "bob@example.com", fullName: null };
      expect((await app.send(UPDATE_USER, { id: bob.id, input }, admin)).data?.updateUser.id).toBe(bob.id);
      expect(await auditEventsOf(app.latchkey.db, bob.id)).toEqual(before);
    });

    test.each([
      ["username", { username: "alice" }],
      ["email", { username: "bobby", email: "alice@example.com" }],
      ["username", { username: "alice", email: "bobby@example.com" }],
    ])("answers CONFLICT for a taken %s, and changes nothing", async (field, input) => {
      const before = await auditEventsOf(app.latchkey.db, bob.id);
      const { status, errors } = await app.send(UPDATE_USER, { id: bob.id, input }, admin);
      expect(status).toBe(200);
      expect(errors).toEqual(taken(field));
      const { data } = await app.send(USER, { id: bob.id }, admin);
      expect(data?.user).toMatchObject({ username: "bob", email: "bob@example.com" });
      expect(await auditEventsOf(app.latchkey.db, bob.id)).toEqual(before);
    });
  });
});
