import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { outcomeOf } from "../../support/answers.js";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { CONFIRM_TOTP, LOGIN, START_TOTP } from "../../support/operations.js";
import { totpCode } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

describe.each(DATABASES)("a second factor that is added while a password is verified on %s", (database) => {
  /** Verifying a password takes a while in `app`, and almost no time in `fast`. */
  let app: App;
  let fast: App;
  beforeAll(async () => {
    app = await makeApp({ database, config: { bcryptCost: 12 } });
    fast = await makeApp({ databaseUrl: app.databaseUrl, clock: app.clock, ownPasswordThreads: true });
  });
  afterAll(async () => {
    await fast?.close();
    await app?.close();
  });

  async function untilCounted(userId: string) {
    const counted = app.latchkey.db.selectFrom("attempts").selectAll().where("account", "=", userId);
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await setTimeout(5)) {
      if ((await counted.execute()).some(({ name }) => name.startsWith("PASSWORD_ACCOUNT"))) return;
    }
    throw new Error("no attempt was counted");
  }

  /** Starts to add an authenticator app. @returns confirms it */
  async function startTotp(token: string) {
    const { data } = await fast.send(START_TOTP, {}, { token });
    const code = totpCode(data!.startTotpEnrollment.secret, app.clock.now());
    return async () => expect(outcomeOf(await fast.send(CONFIRM_TOTP, { code }, { token }))).toBe("OK");
  }

  test("is needed to log in", async () => {
    const { id, username, token } = await makeUser(app);
    const confirm = await startTotp(token);
    const answer = app.send(LOGIN, { username, password: PASSWORD });
    await untilCounted(id);
    await confirm();
    expect(outcomeOf(await answer)).toBe("MFA_REQUIRED");
  });
});
