import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { outcomeOf } from "../../support/answers.js";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { emailedToken } from "../../support/emails.js";
import { meanwhile } from "../../support/held.js";
import {
  CONFIRM_EMAIL_CHANGE,
  DISABLE_TOTP,
  ME,
  MY_ITEMS,
  REAUTHENTICATE,
  REGENERATE_RECOVERY_CODES,
  REQUEST_EMAIL_CHANGE,
} from "../../support/operations.js";
import { enrollTotp } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

describe.each(DATABASES)("a session that has proved only the password, on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  /** A user with a factor, and a session from before it. */
  async function makeOwner(on = app) {
    const user = await makeUser(on);
    const { accessToken: earlier } = await on.login(user.username);
    return { ...user, earlier, enroll: () => enrollTotp(on, user.token) };
  }

  test.each([
    ["takes its recovery codes", REGENERATE_RECOVERY_CODES],
    ["removes it", DISABLE_TOTP],
  ])("never %s when the factor is added while its request runs", async (_, operation) => {
    const { id, earlier, enroll } = await makeOwner();
    await enroll();
    // The factor comes back, as if it was added, after the guard has let the request in.
    await app.latchkey.db.updateTable("users").set({ mfa_methods: "" }).where("id", "=", id).execute();
    const answer = await meanwhile(
      app,
      [`update users set mfa_methods = 'TOTP RECOVERY_CODE' where id = '${id}'`],
      () => app.send<unknown, Record<string, never>>(operation as never, {}, { token: earlier }),
    );
    expect(outcomeOf(answer)).toBe("REAUTHENTICATION_REQUIRED");
  });

  test("cannot change the email address with what it requested before the factor was added", async () => {
    const { earlier, enroll, username, token } = await makeOwner();
    const newEmail = `${username}@elsewhere.example`;
    await app.send(REQUEST_EMAIL_CHANGE, { newEmail }, { token: earlier });
    const emailed = await emailedToken(app, newEmail);
    await enroll();
    const answer = await app.send(CONFIRM_EMAIL_CHANGE, { token: emailed });
    expect(outcomeOf(answer)).toBe("INVALID_TOKEN");
    expect((await app.send(ME, {}, { token })).data?.me.email).toBe(`${username}@example.com`);
  });

  test("uses nothing with REQUIRE_MFA until it has used the factor", async () => {
    const strict = await makeApp({ database, env: { REQUIRE_MFA: "all" } });
    const { earlier, enroll, token } = await makeOwner(strict);
    const { code } = await enroll();
    const refused = await strict.send(MY_ITEMS, {}, { token: earlier });
    expect([refused.status, outcomeOf(refused)]).toEqual([401, "REAUTHENTICATION_REQUIRED"]);
    expect(refused.errors?.[0]?.message).toBe(
      "This session has not used your second factor yet. Call `reauthenticate`.",
    );
    const authorization = `Bearer ${earlier}`;
    expect((await strict.request("/forward-auth", { headers: { authorization } })).status).toBe(401);
    expect(outcomeOf(await strict.send(MY_ITEMS, {}, { token }))).toBe("OK");
    expect(outcomeOf(await strict.send(REAUTHENTICATE, { code: code() }, { token: earlier }))).toBe("OK");
    expect(outcomeOf(await strict.send(MY_ITEMS, {}, { token: earlier }))).toBe("OK");
    await strict.close();
  });

  test("no longer says that it has used a factor, once that was removed and the password proved again", async () => {
    const { enroll, token } = await makeOwner();
    await enroll();
    await app.send(DISABLE_TOTP, {}, { token });
    const { data } = await app.send(REAUTHENTICATE, { password: PASSWORD }, { token });
    const claims = JSON.parse(
      Buffer.from(data!.reauthenticate.accessToken.split(".")[1]!, "base64url").toString(),
    );
    expect(claims.amr).toEqual(["pwd"]);
  });

  test("changes its factors 50 times in an hour", async () => {
    const { enroll, token } = await makeOwner();
    await enroll();
    const outcomes: string[] = [];
    for (let n = 0; n < 51; n++)
      outcomes.push(outcomeOf(await app.send(REGENERATE_RECOVERY_CODES, {}, { token })));
    expect(outcomes).toEqual([...Array.from({ length: 49 }, () => "OK"), "RATE_LIMITED", "RATE_LIMITED"]);
  });
});
