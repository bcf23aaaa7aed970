import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { sql } from "kysely";
import { HOUR } from "../../src/clock.js";
import { OneTimeTokens } from "../../src/services/email/one-time-tokens.js";
import { findPasswordHash, setPasswordHash } from "../../src/storage/credentials.js";
import type { TokenPurpose } from "../../src/storage/one-time-tokens.js";
import { insertUser, type User } from "../../src/storage/users.js";
import {
  AUDIT_EVENTS,
  CREATE_USER,
  DELETE_USER,
  DISABLE_USER,
  RESET_MFA,
  REVOKE_USER_SESSIONS,
  SET_USER_ROLES,
  UPDATE_USER,
  USERS,
} from "../support/administration-operations.js";
import { type Answer, type App, makeApp, NEW_PASSWORD, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import {
  CHANGE_PASSWORD,
  CONFIRM_TOTP,
  CREATE_ITEM,
  DELETE_ACCOUNT,
  DISABLE_TOTP,
  LOGIN,
  LOGOUT,
  ME,
  MY_ITEMS,
  MY_MFA,
  MY_SESSIONS,
  REAUTHENTICATE,
  REFRESH,
  REGENERATE_RECOVERY_CODES,
  REGISTER,
  REQUEST_EMAIL_CHANGE,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  SIGN_IN,
  START_TOTP,
  UPDATE_PROFILE,
  VERIFY_EMAIL,
  VERIFY_RECOVERY_CODE,
  VERIFY_TOTP,
} from "../support/operations.js";
import { challengeFor, enrollTotp, totpCode } from "../support/totp.js";

/** No request needs these: the keys are in memory, jobs run in the background, and nobody here has a passkey. */
const NEEDED_BY_NO_REQUEST = ["signing_keys", "jobs", "passkeys"];
/** An attempt counts even when the operation fails afterwards. */
const COUNTERS = ["attempts"];
/** What a client sees of a failure. */
const MASKED = {
  message: "Something failed on the server. Quote the error id when you report it.",
  extensions: { code: "INTERNAL_SERVER_ERROR", errorId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
};

/** How a table fails: the statements that cause it, and those that end it. */
const FAULTS = {
  "is gone": (table: string) => ({
    inject: [`alter table ${table} rename to gone`],
    repair: [`alter table gone rename to ${table}`],
  }),
  "refuses writes": (table: string, database: string) =>
    database === "sqlite"
      ? {
          inject: ["insert", "update", "delete"].map(
            (what) =>
              `create trigger fault_${what} before ${what} on ${table} begin select raise(abort, 'injected'); end`,
          ),
          repair: ["insert", "update", "delete"].map((what) => `drop trigger fault_${what}`),
        }
      : {
          inject: [
            "create function fault() returns trigger language plpgsql as $$ begin raise 'injected'; end $$",
            `create trigger fault before insert or update or delete on ${table} execute function fault()`,
          ],
          repair: ["drop function fault cascade"],
        },
};

describe.each(DATABASES)("when a table fails on %s (row 66)", (database) => {
  let app: App;
  let root: User;
  let admin: { token: string };
  let tables: string[];
  let users = 0;
  beforeAll(async () => {
    app = await makeApp({ database });
    // Sending emails would change the tables during an operation.
    await app.latchkey.outbox.close();
    root = await app.createUser("root");
    await app.latchkey.db
      .updateTable("users")
      .set({ roles: '["USER","ADMIN"]' })
      .where("id", "=", root.id)
      .execute();
    const all = await app.latchkey.db.introspection.getTables();
    tables = all.map(({ name }) => name);
  });
  afterAll(() => app.close());

  /** Creates a user like `app.createUser`, with root's password hash to save time. */
  async function newUser(): Promise<User> {
    const username = `user-${users++}`;
    const now = app.clock.now();
    const user: User = {
      ...root,
      id: randomUUID(),
      username,
      email: `${username}@example.com`,
      roles: ["USER"],
    };
    await insertUser(app.latchkey.db, user);
    const hash = await findPasswordHash(app.latchkey.db, root.id);
    await setPasswordHash(app.latchkey.db, user.id, hash!, now);
    return user;
  }
  async function signIn() {
    const user = await newUser();
    const { accessToken, refreshToken } = await app.login(user.username);
    return { ...user, token: accessToken, refreshToken };
  }
  /** Signs in a user who has an authenticator app. */
  async function signInWithApp() {
    const user = await signIn();
    return { ...user, ...(await enrollTotp(app, user.token)) };
  }
  const oneTimeToken = ({ id, email }: User, purpose: TokenPurpose) =>
    new OneTimeTokens({ clock: app.clock })
      .issue(app.latchkey.db, purpose, { userId: id, email })
      .then(({ token }) => token);

  /** Prepares operations that succeed, none of which prevents a later one. */
  async function prepare(): Promise<Record<string, () => Promise<Answer<unknown>>>> {
    // Hourly limits start from zero.
    app.clock.advance(HOUR);
    // Every table is read before and after each operation, so keep them small.
    const { db } = app.latchkey;
    await db.deleteFrom("users").where("id", "!=", root.id).execute();
    await db.deleteFrom("sessions").execute();
    await db.deleteFrom("audit_events").execute();
    await db.deleteFrom("outbox").execute();
    admin = { token: (await app.login("root")).accessToken };
    const [one, two, three, four] = await Promise.all([signIn(), signIn(), signIn(), signIn()]);
    const [five, six, seven] = await Promise.all([newUser(), newUser(), newUser()]);
    const [eight, nine, ten, eleven] = [
      await signInWithApp(),
      await signInWithApp(),
      await signInWithApp(),
      await signInWithApp(),
    ];
    const challenges = [await challengeFor(app, eight.username), await challengeFor(app, nine.username)];
    const twelve = await signIn();
    const { secret } = (await app.send(START_TOTP, {}, twelve)).data!.startTotpEnrollment;
    const reset = await oneTimeToken(seven, "PASSWORD_RESET");
    const verification = await oneTimeToken(two, "EMAIL_VERIFICATION");
    const name = `new-${users++}`;
    const account = { username: name, email: `${name}@example.com` };
    const changes = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    return {
      me: () => app.send(ME, {}, one),
      login: () => app.send(LOGIN, { username: one.username, password: PASSWORD }),
      refreshToken: () => app.send(REFRESH, { refreshToken: one.refreshToken }),
      mySessions: () => app.send(MY_SESSIONS, {}, one),
      myItems: () => app.send(MY_ITEMS, {}, one),
      createItem: () => app.send(CREATE_ITEM, { input: { title: "mine" } }, one),
      updateProfile: () => app.send(UPDATE_PROFILE, { input: { fullName: "One" } }, one),
      requestEmailChange: () => app.send(REQUEST_EMAIL_CHANGE, { newEmail: `${name}@example.org` }, one),
      logout: () => app.send(LOGOUT, {}, two),
      verifyEmail: () => app.send(VERIFY_EMAIL, { token: verification }),
      requestPasswordReset: () => app.send(REQUEST_PASSWORD_RESET, { email: two.email }),
      resetPassword: () => app.send(RESET_PASSWORD, { token: reset, newPassword: NEW_PASSWORD }),
      changePassword: () => app.send(CHANGE_PASSWORD, changes, three),
      register: () => app.send(REGISTER, { input: { ...account, password: PASSWORD } }),
      users: () => app.send(USERS, {}, admin),
      auditEvents: () => app.send(AUDIT_EVENTS, {}, admin),
      createUser: () =>
        app.send(CREATE_USER, { input: { username: `${name}-2`, email: `${name}-2@example.com` } }, admin),
      updateUser: () => app.send(UPDATE_USER, { id: five.id, input: { fullName: "Five" } }, admin),
      disableUser: () => app.send(DISABLE_USER, { id: five.id }, admin),
      setUserRoles: () => app.send(SET_USER_ROLES, { id: five.id, roles: ["ADMIN"] }, admin),
      revokeUserSessions: () => app.send(REVOKE_USER_SESSIONS, { id: five.id }, admin),
      signIn: () => app.send(SIGN_IN, { username: eight.username, password: PASSWORD }),
      verifyTotp: () => app.send(VERIFY_TOTP, { challenge: challenges[0]!, code: eight.code() }),
      regenerateRecoveryCodes: () => app.send(REGENERATE_RECOVERY_CODES, {}, eight),
      verifyRecoveryCode: () =>
        app.send(VERIFY_RECOVERY_CODE, { challenge: challenges[1]!, code: nine.recoveryCodes[0]! }),
      reauthenticate: () => app.send(REAUTHENTICATE, { code: nine.code() }, nine),
      myMfa: () => app.send(MY_MFA, {}, nine),
      disableTotp: () => app.send(DISABLE_TOTP, {}, ten),
      resetMfa: () => app.send(RESET_MFA, { userId: eleven.id }, admin),
      startTotpEnrollment: () => app.send(START_TOTP, {}, one),
      confirmTotpEnrollment: () =>
        app.send(CONFIRM_TOTP, { code: totpCode(secret, app.clock.now()) }, twelve),
      deleteUser: () => app.send(DELETE_USER, { id: six.id }, admin),
      deleteAccount: () => app.send(DELETE_ACCOUNT, {}, four),
    };
  }

  async function run(statements: string[]): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(app.latchkey.db);
  }

  async function dump(except: string[]): Promise<Record<string, unknown[]>> {
    const dumped = tables.filter((name) => ![...except, ...COUNTERS].includes(name));
    const rowsOf = async (table: string) => {
      const { rows } = await sql`select * from ${sql.table(table)}`.execute(app.latchkey.db);
      return [table, rows.map((row) => JSON.stringify(row)).sort()] as const;
    };
    return Object.fromEntries(await Promise.all(dumped.map(rowsOf)));
  }

  test.each(Object.entries(FAULTS))(
    "that %s, an operation is done completely or not at all, and the error is masked",
    async (how, faultOf) => {
      const unaffected: string[] = [];
      for (const table of tables) {
        const operations = await prepare();
        const fault = faultOf(table, database);
        const unreadable = how === "is gone" ? [table] : [];
        const failed: string[] = [];
        await run(fault.inject);
        try {
          let before: Record<string, unknown[]> | undefined;
          for (const [name, operation] of Object.entries(operations)) {
            before ??= await dump(unreadable);
            const { status, data, errors } = await operation();
            const what = `${name} when ${table} ${how}`;
            if (errors === undefined) {
              before = undefined;
              continue;
            }
            failed.push(name);
            expect({ what, status, data: data ?? null, errors }).toMatchObject({
              what,
              status: 500,
              data: null,
              errors: [MASKED],
            });
            expect(Object.keys(errors[0]!.extensions!)).toHaveLength(2);
            expect({ what, tables: await dump(unreadable) }).toEqual({ what, tables: before });
          }
        } finally {
          await run(fault.repair);
        }
        if (failed.length === 0) unaffected.push(table);
        // What failed works again.
        for (const name of failed)
          expect({ name, errors: (await operations[name]!()).errors }).toEqual({ name });
      }
      expect(NEEDED_BY_NO_REQUEST).toEqual(expect.arrayContaining(unaffected));
    },
    120_000,
  );
});
