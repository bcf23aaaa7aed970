import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../support/app.js";
import { emailedToken } from "../support/emails.js";
import { hold } from "../support/held.js";
import {
  ACCEPT_INVITATION,
  CONFIRM_EMAIL_CHANGE,
  CONFIRM_TOTP,
  REQUEST_EMAIL_CHANGE,
  REQUEST_EMAIL_VERIFICATION,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  SIGN_IN,
  START_TOTP,
  VERIFY_EMAIL,
} from "../support/operations.js";
import { sidOf } from "../support/sessions.js";
import { challengeFor, enrollTotp, totpCode } from "../support/totp.js";
import { makeUser, type SignedIn } from "../support/users.js";

/**
 * PostgreSQL locks rows: two transactions that lock the same rows in a different order deadlock. Every transaction about
 * a user locks the user's row first, so while another transaction holds that row, it holds no lock.
 */
let app: App;
let admin: SignedIn;
beforeAll(async () => {
  app = await makeApp({ database: "postgres" });
  admin = await makeUser(app, "root", ["ADMIN"]);
});
afterAll(() => app.close());

async function makePerson() {
  const { id, username, email, token } = await makeUser(app);
  const session = sidOf((await app.login(username)).accessToken);
  await app.latchkey.items.createFor(id, { title: "Mine", description: null });
  const [item] = await app.latchkey.items.list({ ownerId: id, first: 1 }, { withDescription: false });
  return { id, username, email, token, session, item: item!.id };
}
type Enrolled = Awaited<ReturnType<typeof enrollTotp>>;
/** Adds an authenticator app, and sends the email about it. */
async function enroll(token: string) {
  const enrolled = await enrollTotp(app, token);
  await app.latchkey.outbox.deliverDue();
  return enrolled;
}
type Person = Awaited<ReturnType<typeof makePerson>>;

const byUser = (text: (of: Person) => string) => async (of: Person) => () =>
  app.post({ query: `mutation { ${text(of)} }` }, { token: of.token });
const byAdministrator = (text: (of: Person) => string) => async (of: Person) => () =>
  app.post({ query: `mutation { ${text(of)} }` }, { token: admin.token });

/** A field for users, sent by one who has an authenticator app. */
const withApp =
  (text: (of: Enrolled) => string) =>
  async ({ token }: Person) => {
    const enrolled = await enroll(token);
    return () => app.post({ query: `mutation { ${text(enrolled)} }` }, { token });
  };
/** Completes a sign-in of a user who has an authenticator app. */
const withChallenge =
  (text: (of: Enrolled & { challenge: string }) => string) =>
  async ({ token, username }: Person) => {
    const enrolled = await enroll(token);
    const challenge = await challengeFor(app, username);
    return () => app.post({ query: `mutation { ${text({ ...enrolled, challenge })} }` });
  };

/** Everything that writes about a user: prepares a request, and returns what sends it. */
const WRITES: Record<string, (of: Person) => Promise<() => Promise<{ errors?: unknown }>>> = {
  login:
    async ({ username }) =>
    () =>
      app.post({
        query: `mutation { login(username: "${username}", password: "${PASSWORD}") { expiresIn } }`,
      }),
  logout: byUser(() => "logout"),
  revokeSession: byUser(({ session }) => `revokeSession(id: "${session}")`),
  revokeOtherSessions: byUser(() => "revokeOtherSessions"),
  updateProfile: byUser(() => 'updateProfile(input: { fullName: "Changed" }) { id }'),
  changePassword: byUser(
    () => `changePassword(currentPassword: "${PASSWORD}", newPassword: "${NEW_PASSWORD}") { expiresIn }`,
  ),
  requestEmailChange: byUser(({ id }) => `requestEmailChange(newEmail: "${id}@example.com")`),
  deleteAccount: byUser(() => "deleteAccount"),
  reauthenticate: byUser(() => `reauthenticate(password: "${PASSWORD}") { expiresIn }`),
  "reauthenticate with a code": withApp(({ code }) => `reauthenticate(code: "${code()}") { expiresIn }`),
  signIn: async ({ token, username }) => {
    await enroll(token);
    return () => app.send(SIGN_IN, { username, password: PASSWORD });
  },
  verifyTotp: withChallenge(
    ({ challenge, code }) => `verifyTotp(challenge: "${challenge}", code: "${code()}") { expiresIn }`,
  ),
  verifyRecoveryCode: withChallenge(
    ({ challenge, recoveryCodes: [code] }) =>
      `verifyRecoveryCode(challenge: "${challenge}", code: "${code}") { expiresIn }`,
  ),
  startTotpEnrollment: byUser(() => "startTotpEnrollment { secret }"),
  confirmTotpEnrollment: async ({ token }) => {
    const { secret } = (await app.send(START_TOTP, {}, { token })).data!.startTotpEnrollment;
    return () => app.send(CONFIRM_TOTP, { code: totpCode(secret, app.clock.now()) }, { token });
  },
  disableTotp: withApp(() => "disableTotp"),
  regenerateRecoveryCodes: withApp(() => "regenerateRecoveryCodes"),
  async resetMfa({ id, token }) {
    await enroll(token);
    const query = `mutation { resetMfa(userId: "${id}") { id } }`;
    return () => app.post({ query }, { token: admin.token });
  },
  createItem: byUser(() => 'createItem(input: { title: "New" }) { id }'),
  updateItem: byUser(({ item }) => `updateItem(id: "${item}", input: { title: "Changed" }) { id }`),
  deleteItem: byUser(({ item }) => `deleteItem(id: "${item}")`),
  updateUser: byAdministrator(
    ({ id }) => `updateUser(id: "${id}", input: { email: "new-${id}@example.com" }) { id }`,
  ),
  disableUser: byAdministrator(({ id }) => `disableUser(id: "${id}") { id }`),
  setUserRoles: byAdministrator(({ id }) => `setUserRoles(id: "${id}", roles: [ADMIN]) { id }`),
  revokeUserSessions: byAdministrator(({ id }) => `revokeUserSessions(id: "${id}")`),
  deleteUser: byAdministrator(({ id }) => `deleteUser(id: "${id}")`),
  async resetPassword({ email }) {
    await app.send(REQUEST_PASSWORD_RESET, { email });
    const token = await emailedToken(app, email);
    return () => app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD });
  },
  async verifyEmail({ id, email }) {
    await app.latchkey.db
      .updateTable("users")
      .set({ email_verified_at: null })
      .where("id", "=", id)
      .execute();
    await app.send(REQUEST_EMAIL_VERIFICATION, { email });
    const token = await emailedToken(app, email);
    return () => app.send(VERIFY_EMAIL, { token });
  },
  async confirmEmailChange({ token: accessToken, id }) {
    const newEmail = `confirm-${id}@example.com`;
    await app.send(REQUEST_EMAIL_CHANGE, { newEmail }, { token: accessToken });
    const token = await emailedToken(app, newEmail);
    return () => app.send(CONFIRM_EMAIL_CHANGE, { token });
  },
  async acceptInvitation({ id, email }) {
    const { db, outbox } = app.latchkey;
    await db.updateTable("users").set({ email_verified_at: null }).where("id", "=", id).execute();
    await db.deleteFrom("credentials").where("user_id", "=", id).execute();
    await outbox.enqueue(db, { kind: "INVITATION", email, userId: id });
    const token = await emailedToken(app, email);
    return () => app.send(ACCEPT_INVITATION, { token, password: NEW_PASSWORD });
  },
  async "the sending of a token"({ id, email }) {
    // Enqueued once the row is locked: otherwise the timer of an earlier request could send it first.
    const { db, outbox } = app.latchkey;
    return async () => {
      await outbox.enqueue(db, { kind: "PASSWORD_RESET", email, userId: id });
      await outbox.deliverDue();
      return {};
    };
  },
};

test.each(Object.entries(WRITES))("%s locks the user before any of their rows", async (_name, prepare) => {
  const person = await makePerson();
  const send = await prepare(person);
  const held = await hold(app, [`update users set updated_at = updated_at where id = '${person.id}'`]);
  try {
    const answer = send();
    await held.waited();
    const locked = await held.lockedTables();
    await held.commit();
    expect((await answer).errors).toBeUndefined();
    expect(locked).toEqual([]);
  } finally {
    await held.commit();
  }
});

test("administrators who change each other lock both rows in the same order", async () => {
  const [one, two] = [await makeUser(app, "one", ["ADMIN"]), await makeUser(app, "two", ["ADMIN"])];
  const change = (by: SignedIn, { id }: SignedIn) =>
    app.post({ query: `mutation { updateUser(id: "${id}", input: { fullName: "Changed" }) { id } }` }, by);
  // Hold the first of the two: a transaction that had locked the second before would deadlock.
  const [first] = [one.id, two.id].sort();
  const held = await hold(app, [`update users set updated_at = updated_at where id = '${first}'`]);
  const answers = [change(one, two), change(two, one)];
  await held.waited(2);
  const free = await app.latchkey.db
    .selectFrom("users")
    .select("id")
    .where("id", "in", [one.id, two.id])
    .forUpdate()
    .skipLocked()
    .execute();
  await held.commit();
  expect((await Promise.all(answers)).map(({ errors }) => errors)).toEqual([undefined, undefined]);
  expect(free).toHaveLength(1);
});
