import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Answer, type App, makeApp, NEW_PASSWORD, PASSWORD } from "../support/app.js";
import { registrationOptions, SoftwareAuthenticator } from "../support/authenticator.js";
import { DATABASES } from "../support/databases.js";
import { meanwhile } from "../support/held.js";
import { sidOf } from "../support/sessions.js";
import { makeUser } from "../support/users.js";

interface Case {
  caller: { id: string; sessionId: string; token: string };
  /** What the mutations act on: another user, and a session and an item of the caller. */
  other: string;
  session: string;
  item: string;
  /** A passkey that the caller has created in the browser. */
  credential: object;
}

/** JSON as a GraphQL literal. */
const literalOf = (value: object) => JSON.stringify(value).replace(/"(\w+)":/g, "$1:");

/** Every mutation for signed-in users, as text. */
const MUTATIONS: Record<string, (of: Case) => string> = {
  revokeSession: ({ session }) => `revokeSession(id: "${session}")`,
  revokeOtherSessions: () => "revokeOtherSessions",
  updateProfile: () => 'updateProfile(input: { fullName: "Changed" }) { id }',
  changePassword: () =>
    `changePassword(currentPassword: "${PASSWORD}", newPassword: "${NEW_PASSWORD}") { expiresIn }`,
  requestEmailChange: ({ caller }) => `requestEmailChange(newEmail: "new-${caller.id}@example.com")`,
  deleteAccount: () => "deleteAccount",
  reauthenticate: () => `reauthenticate(password: "${PASSWORD}") { expiresIn }`,
  startTotpEnrollment: () => "startTotpEnrollment { secret }",
  confirmTotpEnrollment: () => 'confirmTotpEnrollment(code: "123456")',
  disableTotp: () => "disableTotp",
  startPasskeyRegistration: () => "startPasskeyRegistration { publicKey }",
  registerPasskey: ({ credential }) =>
    `registerPasskey(name: "phone", credential: ${literalOf(credential)}) { recoveryCodes }`,
  renamePasskey: ({ item }) => `renamePasskey(id: "${item}", name: "tablet") { id }`,
  deletePasskey: ({ item }) => `deletePasskey(id: "${item}")`,
  startPasskeyReauthentication: () => "startPasskeyReauthentication { publicKey }",
  regenerateRecoveryCodes: () => "regenerateRecoveryCodes",
  createItem: () => 'createItem(input: { title: "New" }) { id }',
  updateItem: ({ item }) => `updateItem(id: "${item}", input: { title: "Changed" }) { id }`,
  deleteItem: ({ item }) => `deleteItem(id: "${item}")`,
  createUser: ({ caller }) =>
    `createUser(input: { username: "x${caller.id.slice(-12)}", email: "x${caller.id}@example.com", roles: [ADMIN] }) { id }`,
  updateUser: ({ other }) => `updateUser(id: "${other}", input: { fullName: "Changed" }) { id }`,
  disableUser: ({ other }) => `disableUser(id: "${other}") { id }`,
  enableUser: ({ other }) => `enableUser(id: "${other}") { id }`,
  setUserRoles: ({ other }) => `setUserRoles(id: "${other}", roles: [ADMIN]) { id }`,
  deleteUser: ({ other }) => `deleteUser(id: "${other}")`,
  revokeUserSessions: ({ other }) => `revokeUserSessions(id: "${other}")`,
  resetMfa: ({ other }) => `resetMfa(userId: "${other}") { id }`,
};

const NAMES = Object.keys(MUTATIONS);
const FOR_ADMINISTRATORS = NAMES.slice(NAMES.indexOf("createUser"));

const unauthenticated = (reason: string, message: string) => ({
  message,
  extensions: { code: "UNAUTHENTICATED", reason },
});
const SESSION_REVOKED = unauthenticated("SESSION_REVOKED", "This session has ended. Log in again.");

/** What happens to the caller while the request runs, and the error that refuses the request. */
const CHANGES: Record<string, { sql: (of: Case["caller"]) => string; error: object }> = {
  demoted: {
    sql: ({ id }) => `update users set roles = '["USER"]' where id = '${id}'`,
    error: {
      message: "You are signed in, but your roles do not allow this.",
      extensions: { code: "FORBIDDEN" },
    },
  },
  disabled: {
    sql: ({ id }) => `update users set disabled_at = 1 where id = '${id}'`,
    error: unauthenticated("ACCOUNT_DISABLED", "This account has been disabled. Ask an administrator."),
  },
  deleted: {
    sql: ({ id }) => `update users set deleted_at = 1 where id = '${id}'`,
    error: unauthenticated("INVALID_TOKEN", "The access token is not valid. Refresh it, or log in again."),
  },
  "signed out": {
    sql: ({ sessionId }) => `update sessions set ended_at = 1 where id = '${sessionId}'`,
    error: SESSION_REVOKED,
  },
};

describe.each(DATABASES)("a mutation whose caller loses permission while it runs, on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
    // So that no test acts on the last administrator.
    await makeUser(app, "root", ["ADMIN"]);
  });
  afterAll(() => app.close());

  async function makeCase(): Promise<Case> {
    const { id, username, token } = await makeUser(app, undefined, ["ADMIN"]);
    const session = sidOf((await app.login(username)).accessToken);
    await app.latchkey.items.createFor(id, { title: "Mine", description: null });
    const items = await app.latchkey.items.list({ ownerId: id, first: 1 }, { withDescription: false });
    return {
      caller: { id, sessionId: sidOf(token), token },
      other: (await makeUser(app)).id,
      session,
      item: items[0]!.id,
      credential: new SoftwareAuthenticator().create(await registrationOptions(app, token)),
    };
  }
  /** Everything that a mutation could have written, except counted attempts. */
  async function stored() {
    const { db } = app.latchkey;
    return {
      users: await db.selectFrom("users").selectAll().orderBy("id").execute(),
      credentials: await db.selectFrom("credentials").selectAll().orderBy("user_id").execute(),
      sessions: await db.selectFrom("sessions").selectAll().orderBy("id").execute(),
      totpSecrets: await db.selectFrom("totp_secrets").selectAll().orderBy("user_id").execute(),
      passkeys: await db.selectFrom("passkeys").selectAll().orderBy("id").execute(),
      challenges: await db.selectFrom("challenges").selectAll().orderBy("challenge_hash").execute(),
      recoveryCodes: await db.selectFrom("recovery_codes").selectAll().orderBy("user_id").execute(),
      items: await db.selectFrom("items").selectAll().orderBy("id").execute(),
      outbox: await db.selectFrom("outbox").selectAll().orderBy("id").execute(),
      events: await db.selectFrom("audit_events").select("id").orderBy("id").execute(),
    };
  }
  const errorsOf = ({ errors }: Answer<unknown>) =>
    errors?.map(({ message, path, extensions }) => ({ message, path, extensions }));

  test("every mutation that requires a signed-in user is in the table", () => {
    const fields = app.schema.getMutationType()!.getFields();
    const guarded = Object.values(fields).filter(({ extensions }) => "directives" in extensions);
    expect([...NAMES].sort()).toEqual(guarded.map(({ name }) => name).sort());
  });

  test.each(NAMES)("{ revokeSession %s } is refused, and writes nothing", async (name) => {
    const of = await makeCase();
    const ended = `ended: revokeSession(id: "${of.caller.sessionId}")`;
    const query = `mutation { ${ended} ${MUTATIONS[name]!(of)} }`;
    const before = await stored();
    const answer = await app.post({ query }, { token: of.caller.token });
    expect(errorsOf(answer)).toEqual([{ ...SESSION_REVOKED, path: [name] }]);
    const after = await stored();
    expect(after.sessions.filter(({ ended_at }) => ended_at !== null).length).toBe(
      before.sessions.filter(({ ended_at }) => ended_at !== null).length + 1,
    );
    expect(after.events).toHaveLength(before.events.length + 1);
    expect({ ...after, sessions: null, events: null }).toEqual({ ...before, sessions: null, events: null });
  });

  // An ended session and a demotion show that each mutation checks session and role. One function checks the rest.
  const cases = Object.keys(CHANGES).flatMap((change) =>
    (change === "demoted" ? FOR_ADMINISTRATORS : ["createItem", "changePassword", "createUser"]).map(
      (name) => [name, change] as const,
    ),
  );
  test.each(cases)("%s by a caller who is %s meanwhile", async (name, change) => {
    const of = await makeCase();
    const { sql, error } = CHANGES[change]!;
    // The request waits for the row of the user; the change may be to another row.
    const lock = `update users set updated_at = updated_at where id = '${of.caller.id}'`;
    const answer = await meanwhile(app, [lock, sql(of.caller)], async () => {
      const query = `mutation { ${MUTATIONS[name]!(of)} }`;
      return app.post({ query }, { token: of.caller.token });
    });
    expect(errorsOf(answer)).toEqual([{ ...error, path: [name] }]);
    const { items, outbox, users, credentials } = await stored();
    expect(items.filter(({ id }) => id === of.item)).toMatchObject([{ title: "Mine" }]);
    expect(items.filter(({ owner_id }) => owner_id === of.caller.id)).toHaveLength(1);
    expect(outbox).toEqual([]);
    expect(users.filter(({ id }) => id === of.other)).toMatchObject([
      { full_name: null, disabled_at: null, deleted_at: null, roles: '["USER"]' },
    ]);
    expect(users.filter(({ email }) => email.startsWith(`x${of.caller.id}`))).toEqual([]);
    expect(credentials.filter(({ user_id }) => user_id === of.caller.id)).toHaveLength(1);
  });

  test("fields after the deletion of the caller's account are refused as unauthenticated, not as an internal error", async () => {
    const { caller } = await makeCase();
    const query =
      'mutation { deleteAccount updateProfile(input: {}) { id } createItem(input: { title: "x" }) { id } }';
    const answer = await app.post({ query }, { token: caller.token });
    expect(answer.status).toBe(401);
    expect(errorsOf(answer)).toEqual([
      expect.objectContaining({
        path: ["updateProfile"],
        extensions: { code: "UNAUTHENTICATED", reason: "INVALID_TOKEN" },
      }),
    ]);
    const { items } = await stored();
    expect(items.filter(({ owner_id }) => owner_id === caller.id)).toHaveLength(1);
  });
});
