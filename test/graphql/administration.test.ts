import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { decodeJwt } from "jose";
import {
  AUDIT_EVENTS,
  CREATE_USER,
  DELETE_USER,
  DISABLE_USER,
  ENABLE_USER,
  REVOKE_USER_SESSIONS,
  SET_USER_ROLES,
  UPDATE_USER,
  USER,
  USERS,
} from "../support/administration-operations.js";
import { error } from "../support/answers.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { emailedToken } from "../support/emails.js";
import { CREATE_ITEM, LOGIN, ME, REGISTER, VERIFY_EMAIL } from "../support/operations.js";
import { auditEventsOf } from "../support/tables.js";
import { makeUser, type SignedIn } from "../support/users.js";

const UNKNOWN_ID = "0190a0a0-0000-7000-8000-000000000000";
const NOT_FOUND = error("There is no user with this id.", { code: "NOT_FOUND" });
const ROLE_MISSING = error("You are signed in, but your roles do not allow this.", { code: "FORBIDDEN" });
const LAST_ADMINISTRATOR = error(
  "This is the last administrator. Make another user an administrator first.",
  {
    code: "FORBIDDEN",
  },
);

/** Everything that only administrators may do, applied to a user. */
const ADMINISTRATION = [
  ["users", USERS, () => ({})],
  ["user", USER, (id: string) => ({ id })],
  ["auditEvents", AUDIT_EVENTS, () => ({})],
  [
    "createUser",
    CREATE_USER,
    () => ({ input: { username: "nobody", email: "nobody@example.com", roles: ["ADMIN"] } }),
  ],
  ["updateUser", UPDATE_USER, (id: string) => ({ id, input: { fullName: "Changed" } })],
  ["disableUser", DISABLE_USER, (id: string) => ({ id })],
  ["enableUser", ENABLE_USER, (id: string) => ({ id })],
  ["setUserRoles", SET_USER_ROLES, (id: string) => ({ id, roles: ["ADMIN"] })],
  ["deleteUser", DELETE_USER, (id: string) => ({ id })],
  ["revokeUserSessions", REVOKE_USER_SESSIONS, (id: string) => ({ id })],
] as const;

describe.each(DATABASES)("administration on %s", (database) => {
  let app: App;
  let admin: SignedIn;
  let alice: SignedIn;
  let bob: SignedIn;
  beforeAll(async () => {
    app = await makeApp({ database });
    admin = await makeUser(app, "admin", ["ADMIN"]);
    alice = await makeUser(app, "alice");
    bob = await makeUser(app, "bob");
  });
  afterAll(() => app.close());

  const lastEventOf = async (id: string) => (await auditEventsOf(app.latchkey.db, id)).at(-1);
  const send = (document: unknown, variables: unknown, options?: { token: string }) =>
    app.send<Record<string, unknown>, unknown>(document as never, variables, options);

  describe.each(ADMINISTRATION)("%s", (_name, document, variables) => {
    test("is refused to users, for themselves and for others, and to anonymous callers (row 59)", async () => {
      for (const id of [alice.id, bob.id]) {
        const { status, errors } = await send(document, variables(id), alice);
        expect(status).toBe(403);
        expect(errors).toEqual(ROLE_MISSING);
      }
      const { status, errors } = await send(document, variables(alice.id));
      expect(status).toBe(401);
      expect(errors![0]!.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "MISSING_TOKEN" });
    });

    if (!("id" in variables(""))) return;
    test("answers NOT_FOUND for an unknown user, and refuses what is not an id, such as a username", async () => {
      const { status, data, errors } = await send(document, variables(UNKNOWN_ID), admin);
      expect({ status, data, errors }).toEqual({ status: 200, data: null, errors: NOT_FOUND });
      const noId = await send(document, variables("alice"), admin);
      expect(noId.errors![0]!.extensions).toMatchObject({
        code: "BAD_USER_INPUT",
        violations: [{ field: "id", rule: "isUuid" }],
      });
    });
  });

  test("user returns any user, including the administrator", async () => {
    expect((await app.send(USER, { id: bob.id }, admin)).data?.user).toEqual({
      id: bob.id,
      username: "bob",
      email: "bob@example.com",
      emailVerified: true,
      fullName: null,
      disabled: false,
      roles: ["USER"],
      createdAt: new Date(app.clock.now()).toISOString(),
    });
    const self = await app.send(USER, { id: admin.id.toUpperCase() }, admin);
    expect(self.data?.user).toMatchObject({ username: "admin", roles: ["USER", "ADMIN"] });
  });

  test("disableUser signs the user out immediately, enableUser lets them log in again (row 34)", async () => {
    const dave = await makeUser(app, "dave");
    const { data } = await app.send(DISABLE_USER, { id: dave.id }, admin);
    expect(data?.disableUser).toEqual({ id: dave.id, disabled: true });
    const refused = await app.send(ME, {}, dave);
    expect(refused.errors![0]!.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "ACCOUNT_DISABLED" });
    await app.send(DISABLE_USER, { id: dave.id }, admin);
    const enabled = await app.send(ENABLE_USER, { id: dave.id }, admin);
    expect(enabled.data?.enableUser).toEqual({ id: dave.id, disabled: false });
    expect((await app.send(ME, {}, dave)).errors![0]!.extensions!["reason"]).toBe("SESSION_REVOKED");
    const events = (await auditEventsOf(app.latchkey.db, dave.id)).filter(
      ({ actorId }) => actorId === admin.id,
    );
    expect(events.map(({ type }) => type)).toEqual(["USER_DISABLED", "SESSION_REVOKED", "USER_ENABLED"]);
    await app.send(DELETE_USER, { id: dave.id }, admin);
  });

  test("setUserRoles takes effect with the next request, and always keeps USER", async () => {
    const erin = await makeUser(app, "erin");
    const promoted = await app.send(SET_USER_ROLES, { id: erin.id, roles: ["ADMIN", "ADMIN"] }, admin);
    expect(promoted.data?.setUserRoles.roles).toEqual(["USER", "ADMIN"]);
    expect((await app.send(USER, { id: bob.id }, erin)).data?.user.username).toBe("bob");
    const demoted = await app.send(SET_USER_ROLES, { id: erin.id, roles: [] }, admin);
    expect(demoted.data?.setUserRoles.roles).toEqual(["USER"]);
    expect((await app.send(USER, { id: bob.id }, erin)).errors).toEqual(ROLE_MISSING);
    expect(await lastEventOf(erin.id)).toEqual({
      type: "USER_ROLES_SET",
      actorId: admin.id,
      sessionId: null,
      details: { from: ["USER", "ADMIN"], to: ["USER"] },
    });
    await app.send(DELETE_USER, { id: erin.id }, admin);
  });

  test("deleteUser removes the user and everything they own; the audit log keeps who it was", async () => {
    const frank = await makeUser(app, "frank");
    await app.send(CREATE_ITEM, { input: { title: "Frank's" } }, frank);
    expect((await app.send(DELETE_USER, { id: frank.id }, admin)).data).toEqual({ deleteUser: true });
    expect((await app.send(DELETE_USER, { id: frank.id }, admin)).errors).toEqual(NOT_FOUND);
    expect((await app.send(ME, {}, frank)).errors![0]!.extensions!["reason"]).toBe("INVALID_TOKEN");
    const { db, jobs } = app.latchkey;
    await jobs.runDue();
    expect(await db.selectFrom("items").selectAll().where("owner_id", "=", frank.id).execute()).toEqual([]);
    expect(await lastEventOf(frank.id)).toEqual({
      type: "ACCOUNT_DELETED",
      actorId: admin.id,
      sessionId: null,
      details: { username: "frank" },
    });
  });

  test("revokeUserSessions ends all of them, and returns how many (row 40)", async () => {
    const grace = await makeUser(app, "grace");
    await app.login("grace");
    const { data } = await app.send(REVOKE_USER_SESSIONS, { id: grace.id }, admin);
    expect(data).toEqual({ revokeUserSessions: 2 });
    expect((await app.send(ME, {}, grace)).errors![0]!.extensions!["reason"]).toBe("SESSION_REVOKED");
    expect(await lastEventOf(grace.id)).toMatchObject({ type: "SESSION_REVOKED", actorId: admin.id });
    const again = await app.send(REVOKE_USER_SESSIONS, { id: grace.id }, admin);
    expect(again.data).toEqual({ revokeUserSessions: 0 });
    await app.send(DELETE_USER, { id: grace.id }, admin);
  });

  test("the last administrator cannot be demoted, disabled or deleted, even from the command line", async () => {
    const answers = [
      await app.send(SET_USER_ROLES, { id: admin.id, roles: ["USER"] }, admin),
      await app.send(DISABLE_USER, { id: admin.id }, admin),
      await app.send(DELETE_USER, { id: admin.id }, admin),
    ];
    for (const { status, errors } of answers) {
      expect(status).toBe(403);
      expect(errors).toEqual(LAST_ADMINISTRATOR);
    }
    await expect(app.latchkey.operator.disable("admin")).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect((await app.send(ME, {}, admin)).data?.me).toMatchObject({
      disabled: false,
      roles: ["USER", "ADMIN"],
    });
  });

  test("actions of the operator are audited without an actor", async () => {
    const { operator, db } = app.latchkey;
    const { id } = await app.createUser("heidi");
    await operator.setPassword("heidi", `another ${PASSWORD}`);
    await operator.disable("Heidi");
    await operator.enable("heidi");
    expect((await auditEventsOf(db, id)).map(({ type, actorId }) => [type, actorId])).toEqual([
      ["USER_CREATED", null],
      ["PASSWORD_CHANGED", null],
      ["USER_DISABLED", null],
      ["USER_ENABLED", null],
    ]);
    await app.send(DELETE_USER, { id }, admin);
  });

  describe("the operator verifies an address", () => {
    const register = async (username: string, email: string) => {
      const input = { username, email, password: PASSWORD };
      expect((await app.send(REGISTER, { input })).data?.register.username).toBe(username);
    };
    const verifyEmailCode = async (token: string) =>
      (await app.send(VERIFY_EMAIL, { token })).errors?.[0]?.extensions?.["code"];

    test("so that a user who never opened a link can sign in, also with a password that the operator set", async () => {
      const { operator, db } = app.latchkey;
      await register("ivan", "ivan@example.com");
      const link = await emailedToken(app, "ivan@example.com");
      const password = `another ${PASSWORD}`;
      await operator.setPassword("ivan", password);
      const early = await app.send(LOGIN, { username: "ivan", password });
      expect(early.errors![0]!.extensions).toEqual({ code: "EMAIL_NOT_VERIFIED" });
      const user = await operator.verify("Ivan");
      expect(user).toMatchObject({ username: "ivan", emailVerifiedAt: app.clock.now() });
      expect((await app.login("ivan@example.com", password)).user.emailVerified).toBe(true);
      expect(await verifyEmailCode(link)).toBe("INVALID_TOKEN");
      const verified = (await auditEventsOf(db, user.id)).filter(({ type }) => type === "EMAIL_VERIFIED");
      expect(verified).toMatchObject([{ actorId: null }]);
      // A second time, it changes nothing.
      app.clock.advance(1000);
      expect(await operator.verify("ivan")).toEqual(user);
      expect((await auditEventsOf(db, user.id)).filter(({ type }) => type === "EMAIL_VERIFIED")).toEqual(
        verified,
      );
      await app.send(DELETE_USER, { id: user.id }, admin);
    });

    test("but not an address that another account has verified, nor for an unknown user", async () => {
      const { operator, db } = app.latchkey;
      await register("judy", "alice@example.com");
      await expect(operator.verify("judy")).rejects.toMatchObject({
        code: "CONFLICT",
        message: "This email is already in use.",
        details: { field: "email" },
      });
      const judy = await db
        .selectFrom("users")
        .selectAll()
        .where("username", "=", "judy")
        .executeTakeFirstOrThrow();
      expect(judy.email_verified_at).toBeNull();
      expect((await auditEventsOf(db, judy.id)).map(({ type }) => type)).toEqual(["ACCOUNT_REGISTERED"]);
      await expect(operator.verify("nobody")).rejects.toMatchObject({
        code: "NOT_FOUND",
        message: "There is no user with this username.",
      });
      await app.send(DELETE_USER, { id: judy.id }, admin);
    });
  });
});

describe.each(DATABASES)("two concurrent administrators on %s (row 71)", (database) => {
  let app: App;
  afterEach(() => app.close());

  // Calls the service directly, so that only the rule itself serializes them.
  test.each([
    ["demote", "alone", "USER_ROLES_SET", "setRoles"],
    ["demote", "with a third", "USER_ROLES_SET", "setRoles"],
    ["disable", "alone", "USER_DISABLED", "disable"],
    ["delete", "alone", "ACCOUNT_DELETED", "delete"],
  ] as const)(
    "%s each other %s, ten times: only one of them succeeds each time",
    async (_what, company, type, act) => {
      app = await makeApp({ database });
      const { administration, db } = app.latchkey;
      const one = await makeUser(app, "one", ["ADMIN"]);
      const two = await makeUser(app, "two", ["ADMIN"]);
      if (company === "with a third") await makeUser(app, "three", ["ADMIN"]);
      // Opens the connections, so that they start together.
      await Promise.all(Array.from({ length: 20 }, () => administration.get(one.id)));
      const attempts = await Promise.all(
        Array.from({ length: 20 }, async (_, n) => {
          const [by, whom] = n % 2 ? [one, two] : [two, one];
          const caller = { ipAddress: null, userAgent: null };
          const actor = { userId: by.id, sessionId: String(decodeJwt(by.token)["sid"]), caller };
          const attempt =
            act === "setRoles"
              ? administration.setRoles(whom.id, ["USER"], actor)
              : administration[act](whom.id, actor).then(() => {});
          return attempt.then(
            () => ({ winner: by, code: undefined }),
            ({ code }: { code?: string }) => ({ winner: undefined, code }),
          );
        }),
      );
      const winners = new Set(attempts.flatMap(({ winner }) => winner ?? []));
      expect(winners.size).toBe(1);
      const [winner] = winners;
      const codes = new Set(attempts.flatMap(({ winner, code }) => (winner ? [] : [code])));
      // An administrator who was deleted or disabled meanwhile is no longer signed in, and a deleted one is not found.
      expect(["FORBIDDEN", "NOT_FOUND", "UNAUTHENTICATED"]).toEqual(expect.arrayContaining([...codes]));
      expect((await app.send(USERS, {}, winner)).errors).toBeUndefined();
      const events = await Promise.all([one, two].map(({ id }) => auditEventsOf(db, id)));
      expect(events.flat().filter((event) => event.type === type)).toMatchObject([{ actorId: winner!.id }]);
    },
  );
});
