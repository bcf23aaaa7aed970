import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DELETE_USER } from "../../support/administration-operations.js";
import { type Answer, type App, makeApp, NEW_PASSWORD, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { CHANGE_PASSWORD, DELETE_ACCOUNT, LOGIN, REQUEST_EMAIL_CHANGE } from "../../support/operations.js";

const [HOME, THIEF] = ["192.0.2.1", "198.51.100.6"];

const OPERATIONS: Record<string, (app: App, token: string) => Promise<Answer<unknown>>> = {
  changePassword: (app, token) =>
    app.send(
      CHANGE_PASSWORD,
      { currentPassword: PASSWORD, newPassword: `${NEW_PASSWORD}!` },
      { token, from: THIEF },
    ),
  requestEmailChange: (app, token) =>
    app.send(
      REQUEST_EMAIL_CHANGE,
      { newEmail: "thief@example.com", currentPassword: PASSWORD },
      { token, from: THIEF },
    ),
  deleteAccount: (app, token) => app.send(DELETE_ACCOUNT, { password: PASSWORD }, { token, from: THIEF }),
};

const refused = (reason: string, message: string) => ({
  message,
  extensions: { code: "UNAUTHENTICATED", reason },
});

const ADMIN = "admin";

/** What happens to the account while its password is verified, and the error of the request then. */
const CHANGES: Record<
  string,
  { change: (app: App, user: { id: string; username: string }) => Promise<unknown>; error: object }
> = {
  "whose password is reset": {
    change: (app, { username }) => app.latchkey.operator.setPassword(username, NEW_PASSWORD),
    error: refused("SESSION_REVOKED", "This session has ended. Log in again."),
  },
  "that is disabled": {
    change: (app, { username }) => app.latchkey.operator.disable(username),
    error: refused("ACCOUNT_DISABLED", "This account has been disabled. Ask an administrator."),
  },
  "that is deleted and purged": {
    change: async (app, { id }) => {
      const { accessToken: token } = await app.login(ADMIN);
      expect((await app.send(DELETE_USER, { id }, { token })).errors).toBeUndefined();
      await app.latchkey.jobs.runDue();
    },
    error: refused("INVALID_TOKEN", "The access token is not valid. Refresh it, or log in again."),
  },
};

describe.each(DATABASES)("a correct password for an account on %s", (database) => {
  /** Verifying a password takes a while in `app`, and almost no time in `fast`. */
  let app: App;
  let fast: App;
  let users = 0;
  beforeAll(async () => {
    app = await makeApp({ database, config: { bcryptCost: 12 } });
    fast = await makeApp({ databaseUrl: app.databaseUrl, clock: app.clock, ownPasswordThreads: true });
    const admin = { username: ADMIN, email: "admin@example.com", fullName: null, roles: ["ADMIN" as const] };
    await fast.latchkey.operator.create(admin, PASSWORD);
  });
  afterAll(async () => {
    await fast?.close();
    await app?.close();
  });

  const attempts = (id: string) =>
    app.latchkey.db.selectFrom("attempts").selectAll().where("account", "=", id).execute();
  async function untilCounted(id: string) {
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await setTimeout(5)) {
      const counted = await attempts(id);
      if (counted.some(({ name }) => name.startsWith("PASSWORD_ACCOUNT"))) return;
    }
    throw new Error("no attempt was counted");
  }

  const cases = [
    ...Object.keys(CHANGES).map((change) => [change, "requestEmailChange"] as const),
    ["whose password is reset", "changePassword"],
    ["that is deleted and purged", "deleteAccount"],
  ] as const;
  test.each(cases)("%s meanwhile leaves nothing behind: %s (row 16)", async (change, operation) => {
    const username = `user-${users++}`;
    const { id } = await app.createUser(username);
    const { data } = await app.send(LOGIN, { username, password: PASSWORD }, { from: HOME });
    await app.latchkey.db.deleteFrom("known_networks").where("user_id", "=", id).execute();
    const answer = OPERATIONS[operation]!(app, data!.login.accessToken);
    await untilCounted(id);
    // Enough time to read the hash.
    await setTimeout(30);
    await CHANGES[change]!.change(fast, { id, username });
    const { errors } = await answer;
    expect(errors).toEqual([expect.objectContaining(CHANGES[change]!.error)]);
    const networks = app.latchkey.db.selectFrom("known_networks").selectAll().where("user_id", "=", id);
    expect(await networks.execute()).toEqual([]);
  });
});
