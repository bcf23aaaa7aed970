import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { decodeJwt } from "jose";
import type { PrintedMailer } from "../../src/email/printed.js";
import {
  AUDIT_EVENTS,
  CREATE_USER,
  DELETE_USER,
  DISABLE_USER,
  ENABLE_USER,
  LOGIN_WITH_ITEMS,
  MY_ITEMS_AS_USER,
  REVOKE_USER_SESSIONS,
  SET_USER_ROLES,
  UPDATE_USER,
  USER,
  USERS,
  USERS_WITH_ITEMS,
} from "../support/administration-operations.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { emailedToken } from "../support/emails.js";
import { CREATE_ITEM, LOGIN, ME, MY_ITEMS, REGISTER, VERIFY_EMAIL } from "../support/operations.js";
import { auditEventsOf } from "../support/tables.js";

const UNKNOWN_ID = "0190a0a0-0000-7000-8000-000000000000";
const error = (message: string, extensions: object) => [expect.objectContaining({ message, extensions })];
const NOT_FOUND = error("There is no user with this id.", { code: "NOT_FOUND" });
const ROLE_MISSING = error("You are signed in, but your roles do not allow this.", { code: "FORBIDDEN" });
const LAST_ADMINISTRATOR = error(
  "This is the last administrator. Make another user an administrator first.",
  {
    code: "FORBIDDEN",
  },
);
const taken = (field: string) =>
  error(`This ${field} is already in use.`, { code: "CONFLICT", field: `input.${field}` });

/** Everything only administrators may do, done to a user. */
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

interface SignedIn {
  id: string;
  token: string;
}

async function signIn(app: App, username: string): Promise<SignedIn> {
  const { user, accessToken } = await app.login(username);
  return { id: user.id, token: accessToken };
}

async function makeUser(app: App, username: string, roles: ("USER" | "ADMIN")[] = []): Promise<SignedIn> {
  const account = { username, email: `${username}@example.com`, fullName: null, roles };
  await app.latchkey.operator.create(account, PASSWORD);
  return signIn(app, username);
}

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
    test("is refused to users, for themselves and for others, and to the anonymous (row 59)", async () => {
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
    test("answers NOT_FOUND for an unknown user, and refuses what is no id, a username too", async () => {
      const { status, data, errors } = await send(document, variables(UNKNOWN_ID), admin);
      expect({ status, data, errors }).toEqual({ status: 200, data: null, errors: NOT_FOUND });
      const noId = await send(document, variables("alice"), admin);
      expect(noId.errors![0]!.extensions).toMatchObject({
        code: "BAD_USER_INPUT",
        violations: [{ field: "id", rule: "isUuid" }],
      });
    });
  });

  test("user shows any user, also the administrator themselves", async () => {
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

  describe("createUser", () => {
    test("makes an unverified user without a password, and sends an invitation (row 47)", async () => {
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

    test("is refused, and says why, where no invitation can be sent", async () => {
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
    ])("names the argument when the %s is not one", async (field, input) => {
      const { status, errors } = await app.send(CREATE_USER, { input }, admin);
      expect(status).toBe(400);
      expect(errors![0]!.extensions).toEqual({
        code: "BAD_USER_INPUT",
        violations: [{ field: `input.${field}`, rule: field, message: expect.stringMatching(" must be ") }],
      });
    });
  });

  describe("updateUser", () => {
    test("changes what it is given; the session stays, a new address is verified", async () => {
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

    test("the user is told at the old address of another name or address to log in with (row 46)", async () => {
      const mary = await makeUser(app, "mary");
      const input = { username: "maryann", email: "maryann@example.com", fullName: "Mary Ann" };
      await app.send(UPDATE_USER, { id: mary.id, input }, admin);
      await app.latchkey.outbox.deliverDue();
      const emailsToMary = () =>
        (app.latchkey.mailer as PrintedMailer).emails
          .filter(({ to }) => to.startsWith("mary"))
          .map(({ to, subject, text }) => [to, subject, text])
          .sort();
      const told = [
        [
          "mary@example.com",
          "Your email address was changed",
          expect.stringContaining(
            "is now maryann\u2060\u200b@\u2060\u200bexample\u2060\u200b.\u2060\u200bcom.",
          ),
        ],
        ["mary@example.com", "Your username was changed", expect.stringContaining("It is now maryann.")],
      ];
      expect(emailsToMary()).toEqual(told);
      await app.send(UPDATE_USER, { id: mary.id, input: { fullName: null } }, admin);
      await app.latchkey.outbox.deliverDue();
      expect(emailsToMary()).toEqual(told);
      await app.send(DELETE_USER, { id: mary.id }, admin);
    });

    test("an address that nobody has verified is told nothing", async () => {
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

    test("what was sent to the old address opens nothing any more", async () => {
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

    test("a change that changes nothing is no event", async () => {
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

  test("disableUser shuts the user out at once, enableUser lets them log in again (row 34)", async () => {
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

  test("setUserRoles is felt on the very next request, and always keeps USER", async () => {
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

  test("deleteUser removes the user with what is theirs; the audit log keeps who it was", async () => {
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

  test("revokeUserSessions ends all of them, and says how many (row 40)", async () => {
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

  test("the last administrator cannot be demoted, disabled or deleted, not from the command line either", async () => {
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

  test("what the operator does is written down too, with nobody as the actor", async () => {
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

    test("so that a user who never opened a link can sign in, with a password from the operator too", async () => {
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
      // Again it changes nothing.
      app.clock.advance(1000);
      expect(await operator.verify("ivan")).toEqual(user);
      expect((await auditEventsOf(db, user.id)).filter(({ type }) => type === "EMAIL_VERIFIED")).toEqual(
        verified,
      );
      await app.send(DELETE_USER, { id: user.id }, admin);
    });

    test("but not one that another account has verified, nor for nobody", async () => {
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

describe.each(DATABASES)("lists for administrators on %s", (database) => {
  let app: App;
  let admin: SignedIn;
  beforeAll(async () => {
    app = await makeApp({ database });
    admin = await makeUser(app, "admin", ["ADMIN"]);
    const { operator } = app.latchkey;
    const people = [
      ["per_cent", "p1@example.com", "100% Wool"],
      ["percent", "p2@example.com", "1000 Wool"],
      ["under_score", "p3@example.com", "Back\\slash!"],
      ["underxscore", "p4@Sub.example.com", "ZOË"],
    ] as const;
    for (const [username, email, fullName] of people)
      await operator.create({ username, email, fullName }, PASSWORD);
    await operator.disable("percent");
  });
  afterAll(() => app.close());

  const find = async (variables: { search?: string; disabled?: boolean | null }) =>
    (await app.send(USERS, variables, admin)).data!.users.nodes.map(({ username }) => username);

  test.each([
    ["a part of the username", "ERCEN", ["percent"]],
    ["a part of the address", "@sub.EXAMPLE", ["underxscore"]],
    ["a part of the full name, in any case", "wOOL", ["per_cent", "percent"]],
    ["a percent sign", "%", ["per_cent"]],
    ["a percent sign in it", "0% w", ["per_cent"]],
    ["an underscore", "r_s", ["under_score"]],
    ["the escape itself", "!", ["under_score"]],
    ["a backslash", "\\", ["under_score"]],
    ["a quote", "'", []],
    ["more than ASCII, in any case", "zoë", ["underxscore"]],
    ["more than ASCII, in any other case", "ZoË", ["underxscore"]],
  ])("users are searched by %s", async (_what, search, found) => {
    expect(await find({ search })).toEqual(found);
  });

  test("users are filtered by whether they are disabled", async () => {
    expect(await find({ disabled: true })).toEqual(["percent"]);
    expect(await find({ disabled: false, search: "p" })).not.toContain("percent");
    expect(await find({ disabled: null })).toHaveLength(5);
  });

  test("users come in pages, oldest first", async () => {
    const all = ["admin", "per_cent", "percent", "under_score", "underxscore"];
    const page = async (variables: { first: number; after?: string | null }) =>
      (await app.send(USERS, variables, admin)).data!.users;
    const one = await page({ first: 2 });
    expect(one.nodes.map(({ username }) => username)).toEqual(all.slice(0, 2));
    expect(one.edges.map(({ node }) => node.id)).toEqual(one.nodes.map(({ id }) => id));
    expect(one.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: one.edges[0]!.cursor,
      endCursor: one.edges[1]!.cursor,
    });
    const two = await page({ first: 3, after: one.pageInfo.endCursor! });
    expect(two.nodes.map(({ username }) => username)).toEqual(all.slice(2));
    expect(two.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const none = await page({ first: 1, after: two.pageInfo.endCursor! });
    expect(none).toEqual({
      edges: [],
      nodes: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
    });
  });

  test.each([
    ["a page of nothing", USERS, { first: 0 }, "first"],
    ["too large a page", USERS, { first: 101 }, "first"],
    ["a cursor that is none", USERS, { after: "x" }, "after"],
    ["an id as a cursor", AUDIT_EVENTS, { after: UNKNOWN_ID }, "after"],
    ["an empty search", USERS, { search: "" }, "search"],
    ["a NUL in the search", USERS, { search: "a\0b" }, "search"],
    ["too large a page of events", AUDIT_EVENTS, { first: 101 }, "first"],
    ["a user id that is none", AUDIT_EVENTS, { userId: "alice" }, "userId"],
    ["too many items of each user", USERS_WITH_ITEMS, { items: 101 }, "first"],
  ] as const)("refuse %s", async (_what, document, variables, field) => {
    const { status, errors } = await app.send<unknown, never>(document as never, variables as never, admin);
    expect(status).toBe(400);
    expect(errors![0]!.extensions).toMatchObject({ code: "BAD_USER_INPUT", violations: [{ field }] });
  });

  test("auditEvents gives newest first what was done by and to a user, by type and since", async () => {
    app.clock.advance(1000);
    const since = new Date(app.clock.now()).toISOString();
    const bob = await makeUser(app, "bob");
    await app.send(DISABLE_USER, { id: bob.id }, admin);
    await app.send(ENABLE_USER, { id: bob.id }, admin);
    const events = async (variables: object) =>
      (await app.send(AUDIT_EVENTS, variables, admin)).data!.auditEvents;

    const all = ["USER_ENABLED", "SESSION_REVOKED", "USER_DISABLED", "LOGIN_SUCCEEDED", "USER_CREATED"];
    const ofBob = await events({ userId: bob.id });
    expect(ofBob.nodes.map(({ type }) => type)).toEqual(all);
    expect(ofBob.nodes[0]).toEqual({
      id: expect.any(String),
      at: since,
      type: "USER_ENABLED",
      actorId: admin.id,
      subjectId: bob.id,
      sessionId: null,
      ipAddress: "127.0.0.1",
      details: {},
    });
    expect(ofBob.nodes.at(-1)!.details).toEqual({ username: "bob", roles: ["USER"] });
    expect((await events({ since })).nodes.map(({ type }) => type)).toEqual(all);
    expect((await events({ userId: admin.id, since })).nodes.map(({ type }) => type)).toEqual(
      all.slice(0, 3),
    );
    const disabled = await events({ type: "USER_DISABLED" });
    expect(disabled.nodes.map(({ actorId }) => actorId)).toEqual([admin.id, null]);

    const one = await events({ since, first: 2 });
    const two = await events({ since, first: 3, after: one.pageInfo.endCursor });
    expect([...one.nodes, ...two.nodes].map(({ type }) => type)).toEqual(all);
    expect([one.pageInfo.hasNextPage, two.pageInfo.hasNextPage]).toEqual([true, false]);
  });
});

describe.each(DATABASES)("User.items on %s", (database) => {
  let app: App;
  let admin: SignedIn;
  const users: SignedIn[] = [];
  beforeAll(async () => {
    app = await makeApp({ database });
    admin = await makeUser(app, "admin", ["ADMIN"]);
    for (let n = 0; n < 12; n++) {
      const user = await makeUser(app, `user${n}`);
      users.push(user);
      for (let item = 0; item < n % 4; item++)
        await app.send(CREATE_ITEM, { input: { title: `item ${item}` } }, user);
    }
  });
  afterAll(() => app.close());

  /** The statements sent to the database meanwhile, transactions apart. */
  async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
    const spy = jest.spyOn(app.latchkey.db.getExecutor(), "executeQuery");
    try {
      await work();
      return spy.mock.calls.map(([query]) => query.sql);
    } finally {
      spy.mockRestore();
    }
  }

  test("a page of users with their items is three queries, however long the page", async () => {
    for (const first of [1, 5, 13]) {
      const statements = await statementsOf(async () => {
        const { data } = await app.send(USERS_WITH_ITEMS, { first, items: 2 }, admin);
        expect(data!.users.nodes.map(({ items }) => items.length)).toEqual(
          [0, 0, 1, 2, 2, 0, 1, 2, 2, 0, 1, 2, 2].slice(0, first),
        );
      });
      // The viewer, the users, the items of all of them.
      expect(statements.map((sql) => /from "(\w+)"/.exec(sql)?.[1])).toEqual(["sessions", "users", "items"]);
    }
  });

  test("are each user's oldest, with their owner", async () => {
    const { data } = await app.send(USERS_WITH_ITEMS, { first: 5, items: 2 }, admin);
    expect(data!.users.nodes[4]).toMatchObject({
      username: "user3",
      items: [
        { title: "item 0", owner: { username: "user3" } },
        { title: "item 1", owner: { username: "user3" } },
      ],
    });
  });

  test("are given to their owner, as myItems gives them", async () => {
    const own = (await app.send(MY_ITEMS_AS_USER, {}, users[3])).data!.me.items;
    const mine = (await app.send(MY_ITEMS, {}, users[3])).data!.myItems;
    expect(own.map(({ id }) => id)).toEqual(mine.map(({ id }) => id));
    expect(own).toHaveLength(3);
  });

  test("are refused to another, and to who is only just signing in (row 59)", async () => {
    const query =
      "mutation ($input: CreateItemInput!) { createItem(input: $input) { owner { items { id } } } }";
    const own = await app.post({ query, variables: { input: { title: "x" } } }, users[0]);
    expect(own.data).toMatchObject({ createItem: { owner: { items: [{}] } } });
    const { errors } = await app.send(LOGIN_WITH_ITEMS, { username: "user1", password: PASSWORD });
    expect(errors![0]!.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "MISSING_TOKEN" });
    // Signed in as one, and signing in as another.
    const other = await app.send(LOGIN_WITH_ITEMS, { username: "user1", password: PASSWORD }, users[2]);
    expect(other.status).toBe(403);
    expect(other.errors).toEqual(
      error("Only the owner of these items and administrators can read them.", { code: "FORBIDDEN" }),
    );
  });
});

describe.each(DATABASES)("two administrators at once on %s (row 71)", (database) => {
  let app: App;
  afterEach(() => app.close());

  // Asked of the service, where nothing but the rule itself puts them in a row.
  test.each([
    ["demote", "alone", "USER_ROLES_SET", "setRoles"],
    ["demote", "with a third", "USER_ROLES_SET", "setRoles"],
    ["disable", "alone", "USER_DISABLED", "disable"],
    ["delete", "alone", "ACCOUNT_DELETED", "delete"],
  ] as const)("%s each other %s, ten times each: one of them succeeds", async (_what, company, type, act) => {
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
    // One who was deleted or disabled meanwhile is not signed in any more, and a deleted one is not found.
    expect(["FORBIDDEN", "NOT_FOUND", "UNAUTHENTICATED"]).toEqual(expect.arrayContaining([...codes]));
    expect((await app.send(USERS, {}, winner)).errors).toBeUndefined();
    const events = await Promise.all([one, two].map(({ id }) => auditEventsOf(db, id)));
    expect(events.flat().filter((event) => event.type === type)).toMatchObject([{ actorId: winner!.id }]);
  });
});
