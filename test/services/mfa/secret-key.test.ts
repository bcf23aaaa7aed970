import { describe, expect, test } from "@jest/globals";
import { HOUR } from "../../../src/clock.js";
import { StoredSecrets } from "../../../src/crypto/stored-secrets.js";
import { codeOf, errorOf } from "../../support/answers.js";
import { type App, makeApp, PASSWORD, SECRET_KEY } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import {
  CONFIRM_TOTP,
  REAUTHENTICATE,
  START_TOTP,
  VERIFY_RECOVERY_CODE,
  VERIFY_TOTP,
} from "../../support/operations.js";
import { signInWithCode } from "../../support/second-factors.js";
import { challengeFor, makeMfaUser, totpCode } from "../../support/totp.js";
import { importUsers } from "../../support/users.js";

const NEW_KEY = "another test's secret key, never used elsewhere";
/** More than the job handles in a batch. */
const USERS = 201;
const DONE =
  "all authenticator app secrets are encrypted under SECRET_KEY: PREVIOUS_SECRET_KEY is no longer needed";
const UNREADABLE =
  "authenticator app secrets are encrypted under neither SECRET_KEY nor PREVIOUS_SECRET_KEY: set the SECRET_KEY that they were encrypted under as PREVIOUS_SECRET_KEY, or reset the second factors of their users";

const secretsOf = ({ latchkey: { db } }: App) =>
  db.selectFrom("totp_secrets").selectAll().orderBy("user_id").execute();
const logged = ({ seen }: App, level: number) =>
  seen
    .filter((text) => text.startsWith('{"level"'))
    .map((line) => JSON.parse(line) as { level: number; msg: string; err?: { message: string } })
    .filter((line) => line.level === level);

describe.each(DATABASES)("a change of SECRET_KEY on %s", (database) => {
  test("with the old one as PREVIOUS_SECRET_KEY keeps authenticator apps, and a job encrypts their secrets again", async () => {
    const app = await makeApp({ database });
    const { databaseUrl, clock } = app;
    const user = await makeMfaUser(app);
    const usernames = Array.from({ length: USERS }, (_, n) => `imported-${n}`);
    await importUsers(app, usernames, 4);
    const { db } = app.latchkey;
    const stored = new StoredSecrets(
      { secretKey: () => SECRET_KEY, previousSecretKey: undefined },
      "authenticator secret",
    );
    const imported = await db
      .selectFrom("users")
      .select("id")
      .where("username", "like", "imported-%")
      .execute();
    const rows = imported.map(({ id }) => ({
      user_id: id,
      encrypted_secret: stored.encrypt(Buffer.from("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), id),
      confirmed_at: clock.now(),
      last_step: 0,
    }));
    await db.insertInto("totp_secrets").values(rows).execute();
    await app.latchkey.jobs.runDue();
    const before = await secretsOf(app);
    expect(before).toHaveLength(USERS + 1);
    await app.close();

    const env = { SECRET_KEY: NEW_KEY, PREVIOUS_SECRET_KEY: SECRET_KEY };
    const during = await makeApp({ databaseUrl, clock, env });
    expect(await signInWithCode(during, user.username, user.code())).toBe("OK");
    // The job does not wait for an interval that began under the old key.
    await during.latchkey.jobs.runDue();
    const after = await secretsOf(during);
    expect(after.map(({ user_id }) => user_id)).toEqual(before.map(({ user_id }) => user_id));
    const unchanged = after.filter((row, n) => row.encrypted_secret === before[n]!.encrypted_secret);
    expect(unchanged).toEqual([]);
    expect(logged(during, 30).filter(({ msg }) => msg === DONE)).toHaveLength(1);
    clock.advance(HOUR);
    await during.latchkey.jobs.runDue();
    expect(await secretsOf(during)).toEqual(after);
    await during.close();

    const later = await makeApp({ databaseUrl, clock, env: { SECRET_KEY: NEW_KEY } });
    expect(await signInWithCode(later, user.username, user.code())).toBe("OK");
    await later.latchkey.db
      .updateTable("users")
      .set({ mfa_methods: "TOTP" })
      .where("username", "=", usernames.at(-1)!)
      .execute();
    const code = totpCode("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", clock.now());
    expect(await signInWithCode(later, usernames.at(-1)!, code)).toBe("OK");
    await later.close();
  });

  test("that leaves a secret unreadable does not keep the job from the others, and logs how many there are", async () => {
    const app = await makeApp({ database });
    const { databaseUrl, clock } = app;
    const users = [await makeMfaUser(app), await makeMfaUser(app), await makeMfaUser(app)];
    const [first] = await secretsOf(app);
    await app.latchkey.db
      .updateTable("totp_secrets")
      .set({ encrypted_secret: "damaged" })
      .where("user_id", "=", first!.user_id)
      .execute();
    const before = await secretsOf(app);
    await app.close();
    const env = { SECRET_KEY: NEW_KEY, PREVIOUS_SECRET_KEY: SECRET_KEY };
    const during = await makeApp({ databaseUrl, clock, env });
    await during.latchkey.jobs.runDue();
    await during.latchkey.jobs.runDue();
    const after = await secretsOf(during);
    expect(after.map((row, n) => row.encrypted_secret === before[n]!.encrypted_secret)).toEqual([
      true,
      false,
      false,
    ]);
    expect(logged(during, 50)).toEqual([expect.objectContaining({ msg: UNREADABLE, unreadable: 1 })]);
    expect(logged(during, 30).map(({ msg }) => msg)).not.toContain(DONE);
    for (const { username, code, id } of users.filter(({ id }) => id !== first!.user_id))
      expect([id, await signInWithCode(during, username, code())]).toEqual([id, "OK"]);
    await during.close();
  });

  test("without the old one makes codes an error on the server with an id, and overwrites nothing", async () => {
    // With the other algorithms the server does not start.
    const app = await makeApp({ database, env: { ALGORITHM: "HS256" } });
    const { databaseUrl, clock } = app;
    const user = await makeMfaUser(app);
    const enrolling = await app.createUser("enrolling");
    const { accessToken } = await app.login(enrolling.username);
    await app.send(START_TOTP, {}, { token: accessToken });
    const before = await secretsOf(app);
    await app.close();
    const wrong = await makeApp({
      databaseUrl,
      clock,
      env: { ALGORITHM: "HS256", SECRET_KEY: NEW_KEY },
    });
    const challenge = await challengeFor(wrong, user.username);
    const { data } = await wrong.send(VERIFY_RECOVERY_CODE, { challenge, code: user.recoveryCodes[0]! });
    const token = data!.verifyRecoveryCode.accessToken;
    const next = await challengeFor(wrong, user.username);
    const { accessToken: enrollingToken } = await wrong.login("enrolling", PASSWORD);
    const answers = [
      await wrong.send(VERIFY_TOTP, { challenge: next, code: user.code() }),
      await wrong.send(REAUTHENTICATE, { code: user.code() }, { token }),
      await wrong.send(CONFIRM_TOTP, { code: "123456" }, { token: enrollingToken }),
    ];
    for (const answer of answers) {
      expect([answer.status, codeOf(answer)]).toEqual([500, "INTERNAL_SERVER_ERROR"]);
      const { errorId } = errorOf(answer)!.extensions as { errorId: string };
      const line = wrong.seen.find((text) => text.startsWith('{"level":50') && text.includes(errorId));
      expect(line).toContain("SECRET_KEY is not the one that an authenticator app's secret");
    }
    await wrong.latchkey.jobs.runDue();
    expect(await secretsOf(wrong)).toEqual(before);
    // It is no wrong code: nothing is counted.
    const counts = wrong.latchkey.db.selectFrom("attempts").selectAll().where("name", "like", "CODE%");
    expect((await counts.execute()).filter(({ count }) => count > 0)).toEqual([]);
    await wrong.close();
    const right = await makeApp({ databaseUrl, clock, env: { ALGORITHM: "HS256" } });
    const answer = await right.send(VERIFY_TOTP, { challenge: next, code: user.code() });
    expect(answer.data?.verifyTotp.user.username).toBe(user.username);
    await right.close();
  });
});
