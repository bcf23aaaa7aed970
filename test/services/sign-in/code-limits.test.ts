import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MINUTE, SECOND } from "../../../src/clock.js";
import { OneTimeTokens } from "../../../src/services/email/one-time-tokens.js";
import { errorOf, outcomeOf } from "../../support/answers.js";
import { type Answer, type App, makeApp, NEW_PASSWORD, PASSWORD } from "../../support/app.js";
import { attemptsOn, network, WRONG } from "../../support/attempts.js";
import { DATABASES } from "../../support/databases.js";
import {
  LOGIN,
  REAUTHENTICATE,
  RESET_PASSWORD,
  VERIFY_RECOVERY_CODE,
  VERIFY_TOTP,
} from "../../support/operations.js";
import { signInWithCode, signInWithRecoveryCode } from "../../support/second-factors.js";
import { auditEventsOf } from "../../support/tables.js";
import { challengeFor, enrollTotp, makeMfaUser } from "../../support/totp.js";

const [HOME, THIEF, ELSEWHERE] = ["192.0.2.1", "192.0.2.66", "192.0.2.99"];

/** The error of a limit that time does not lift. */
const LIMITED = {
  message:
    "Too many failed attempts. Use a passkey or a recovery code, or a network you have signed in from before.",
  extensions: { code: "RATE_LIMITED", retryAfter: 3600 },
};

describe.each(DATABASES)("wrong codes on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  const { login, fail } = attemptsOn(() => app);

  type MfaUser = Awaited<ReturnType<typeof makeMfaUser>>;

  /** A user who has signed in with both factors at home, and nowhere else. */
  async function makeOwner() {
    const user = await makeMfaUser(app);
    await app.latchkey.db.deleteFrom("known_networks").where("user_id", "=", user.id).execute();
    expect(await signInWithCode(app, user.username, user.code(), { from: HOME })).toBe("OK");
    app.clock.advance(30 * SECOND);
    return user;
  }

  /** A code that the app shows neither now nor soon. */
  const wrongCode = ({ code }: MfaUser) => code(100);

  /** Sends wrong codes, each with a challenge of its own. @returns the outcomes */
  async function guess(times: number, user: MfaUser, from: string): Promise<string[]> {
    const outcomes: string[] = [];
    for (let n = 0; n < times; n++)
      outcomes.push(await signInWithCode(app, user.username, wrongCode(user), { from }));
    return outcomes;
  }

  const wrongTimes = (times: number) => Array.from({ length: times }, () => "INVALID_CREDENTIALS");
  const knownNetworks = async (userId: string) => {
    const rows = app.latchkey.db.selectFrom("known_networks").select("network").where("user_id", "=", userId);
    return (await rows.execute()).map(({ network }) => network);
  };
  async function resetPassword({ id: userId, email }: MfaUser, from: string): Promise<Answer<unknown>> {
    const tokens = new OneTimeTokens({ clock: app.clock });
    const { token } = await tokens.issue(app.latchkey.db, "PASSWORD_RESET", { userId, email });
    return app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD }, { from });
  }

  test("count over all challenges, both kinds and all processes, and after a restart (row 15)", async () => {
    const user = await makeOwner();
    const from = THIEF;
    expect(await guess(2, user, from)).toEqual(wrongTimes(2));
    const recoveryCode = user.recoveryCodes[0]!.replace(/^./, (first) => (first === "0" ? "2" : "0"));
    expect(await signInWithRecoveryCode(app, user.username, recoveryCode, { from })).toBe(
      "INVALID_CREDENTIALS",
    );
    const other = await makeApp({ databaseUrl: app.databaseUrl, clock: app.clock });
    const reauthenticated = await other.send(
      REAUTHENTICATE,
      { code: wrongCode(user) },
      { token: user.token, from },
    );
    expect(outcomeOf(reauthenticated)).toBe("INVALID_CREDENTIALS");
    const challenge = await challengeFor(app, user.username, { from });
    const fifth = await other.send(VERIFY_TOTP, { challenge, code: wrongCode(user) }, { from });
    expect(outcomeOf(fifth)).toBe("INVALID_CREDENTIALS");
    await other.close();
    const refused = [
      await app.send(VERIFY_TOTP, { challenge, code: user.code() }, { from }),
      await app.send(VERIFY_RECOVERY_CODE, { challenge, code: recoveryCode }, { from }),
      await app.send(REAUTHENTICATE, { code: user.code() }, { token: user.token, from }),
    ];
    for (const answer of refused) {
      expect(answer.status).toBe(429);
      expect(answer.headers.get("retry-after")).toBe("1");
      expect(errorOf(answer)).toEqual({
        message: "Too many attempts. Try again in 1 second.",
        extensions: { code: "RATE_LIMITED", retryAfter: 1 },
      });
    }
    app.clock.advance(SECOND);
    expect(await guess(1, user, from)).toEqual(["INVALID_CREDENTIALS"]);
    const longer = await app.send(VERIFY_TOTP, { challenge, code: user.code() }, { from });
    expect(errorOf(longer)?.extensions?.["retryAfter"]).toBe(2);
    app.clock.advance(2 * SECOND);
    expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge, code: user.code() }, { from }))).toBe("OK");
    const limits = (await auditEventsOf(app.latchkey.db, user.id)).filter(
      ({ type }) => type === "ATTEMPTS_LIMITED",
    );
    expect(limits.map(({ details }) => details)).toEqual([{ limit: "CODE_PAIR" }]);
  });

  test("are not forgotten after a right password, which forgets no wrong passwords either (row 15)", async () => {
    const user = await makeOwner();
    await fail(4, user.username, THIEF);
    expect(await guess(5, user, THIEF)).toEqual(wrongTimes(5));
    for (let n = 0; n < 10; n++) await challengeFor(app, user.username, { from: THIEF });
    expect(await guess(1, user, THIEF)).toEqual(["RATE_LIMITED"]);
    await fail(1, user.username, THIEF);
    expect((await login(user.username, PASSWORD, THIEF)).outcome).toBe("RATE_LIMITED");
  });

  test("and wrong passwords start from zero when both factors are proved (row 15)", async () => {
    const user = await makeOwner();
    for (let round = 0; round < 2; round++) {
      await fail(4, user.username, THIEF);
      expect(await guess(4, user, THIEF)).toEqual(wrongTimes(4));
      expect(await signInWithCode(app, user.username, user.code(), { from: THIEF })).toBe("OK");
      app.clock.advance(30 * SECOND);
    }
    const counted = app.latchkey.db.selectFrom("attempts").selectAll().where("account", "=", user.id);
    expect(await counted.where("name", "!=", "MFA_ACCOUNT").execute()).toEqual([]);
  });

  test("are not forgotten after a password reset, which does not skip the second factor (rows 15, 44)", async () => {
    const user = await makeOwner();
    expect(await guess(5, user, THIEF)).toEqual(wrongTimes(5));
    expect(outcomeOf(await resetPassword(user, THIEF))).toBe("OK");
    const answer = await app.send(
      LOGIN,
      { username: user.username, password: NEW_PASSWORD },
      { from: THIEF },
    );
    expect(outcomeOf(answer)).toBe("MFA_REQUIRED");
    const { challenge } = answer.errors![0]!.extensions!["mfa"] as { challenge: string };
    const code = user.code();
    expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge, code }, { from: THIEF }))).toBe("RATE_LIMITED");
    expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge, code }, { from: ELSEWHERE }))).toBe("OK");
  });

  test("in their thousand, over many challenges and networks, are stopped by the account's limit, and the owner still signs in (rows 14, 16)", async () => {
    const user = await makeOwner();
    const { username } = user;
    const challenges = database === "sqlite" ? 100 : 10;
    const outcomes: string[] = [];
    for (let n = 0; n < challenges; n++) {
      const from = network(n);
      const challenge = await challengeFor(app, username, { from });
      const answers = Array.from({ length: 10 }, (_, guessed) =>
        app.send(
          VERIFY_TOTP,
          { challenge, code: user.code(100 + guessed) },
          { from: network(guessed * 100 + n) },
        ),
      );
      outcomes.push(...(await Promise.all(answers)).map(outcomeOf));
    }
    const evaluated = outcomes.filter((outcome) => outcome === "INVALID_CREDENTIALS");
    const refused = outcomes.filter((outcome) => outcome === "RATE_LIMITED");
    expect([evaluated.length, refused.length]).toEqual([50, 10 * challenges - 50]);

    const challenge = await challengeFor(app, username, { from: ELSEWHERE });
    const elsewhere = await app.send(VERIFY_TOTP, { challenge, code: user.code() }, { from: ELSEWHERE });
    expect([elsewhere.status, errorOf(elsewhere), elsewhere.headers.get("retry-after")]).toEqual([
      429,
      LIMITED,
      "3600",
    ]);
    app.clock.advance(30 * 24 * 60 * MINUTE);
    const later = await challengeFor(app, username, { from: ELSEWHERE });
    const month = await app.send(VERIFY_TOTP, { challenge: later, code: user.code() }, { from: ELSEWHERE });
    expect(errorOf(month)).toEqual(LIMITED);
    // Whoever knows only the password has no known network.
    expect(await knownNetworks(user.id)).toEqual([HOME]);
    expect(await signInWithCode(app, username, user.code(), { from: HOME })).toBe("OK");

    for (let n = 0; n < 10; n++) expect(await guess(5, user, network(n))).toEqual(wrongTimes(5));
    expect(await guess(1, user, network(11))).toEqual(["RATE_LIMITED"]);
    expect(await signInWithRecoveryCode(app, username, user.recoveryCodes[0]!, { from: ELSEWHERE })).toBe(
      "OK",
    );
    expect((await knownNetworks(user.id)).sort()).toEqual([HOME, ELSEWHERE].sort());
    app.clock.advance(30 * SECOND);
    expect(await signInWithCode(app, username, user.code(), { from: network(12) })).toBe("OK");
    const limits = (await auditEventsOf(app.latchkey.db, user.id)).flatMap(({ type, details }) =>
      type === "ATTEMPTS_LIMITED" ? [details.limit] : [],
    );
    expect(limits.filter((limit) => limit === "CODE_ACCOUNT")).toHaveLength(2);
  });

  test("are at most 100 in a row for an account, half of them from known networks (row 14)", async () => {
    const user = await makeOwner();
    for (let n = 0; n < 10; n++) expect(await guess(5, user, network(n))).toEqual(wrongTimes(5));
    for (let n = 0; n < 50; n++) {
      expect([n, await guess(1, user, HOME)]).toEqual([n, ["INVALID_CREDENTIALS"]]);
      app.clock.advance(1024 * SECOND);
    }
    for (const from of [HOME, ELSEWHERE]) {
      const challenge = await challengeFor(app, user.username, { from });
      const answer = await app.send(VERIFY_TOTP, { challenge, code: user.code() }, { from });
      expect(errorOf(answer)).toEqual(LIMITED);
    }
    // A new password gives no further guesses.
    expect(outcomeOf(await resetPassword(user, ELSEWHERE))).toBe("OK");
    const answer = await app.send(
      LOGIN,
      { username: user.username, password: NEW_PASSWORD },
      { from: ELSEWHERE },
    );
    const { challenge } = answer.errors![0]!.extensions!["mfa"] as { challenge: string };
    for (const from of [HOME, ELSEWHERE]) {
      const refused = await app.send(VERIFY_TOTP, { challenge, code: user.code() }, { from });
      expect(errorOf(refused)).toEqual(LIMITED);
    }
    const code = user.recoveryCodes[0]!;
    const recovered = await app.send(VERIFY_RECOVERY_CODE, { challenge, code }, { from: ELSEWHERE });
    expect(outcomeOf(recovered)).toBe("OK");
  });

  test("do not count for the next factor, after the account's were reset", async () => {
    const user = await makeOwner();
    expect(await guess(5, user, ELSEWHERE)).toEqual(wrongTimes(5));
    await app.latchkey.operator.resetMfa(user.username);
    const { accessToken } = await app.login(user.username);
    const next = await enrollTotp(app, accessToken);
    expect(await signInWithCode(app, user.username, next.code(), { from: ELSEWHERE })).toBe("OK");
  });
});

test("wrong codes are limited for a network over all accounts, except for users who have signed in from there (rows 15, 16)", async () => {
  const app = await makeApp();
  const from = "2001:db8:1:1::1";
  const home = await makeMfaUser(app);
  expect(await signInWithCode(app, home.username, home.code(), { from })).toBe("OK");
  app.clock.advance(30 * SECOND);
  const stranger = await makeMfaUser(app);
  // 95 wrong codes for other accounts.
  await app.latchkey.db
    .updateTable("attempts")
    .set({ count: 95 })
    .where("name", "=", "CODE_NETWORK")
    .execute();
  for (let n = 0; n < 5; n++) {
    const address = `2001:db8:1:1::${n + 2}`;
    const outcome = await signInWithCode(app, stranger.username, stranger.code(100 + n), { from: address });
    expect([n, outcome]).toEqual([n, "INVALID_CREDENTIALS"]);
  }
  const guest = await makeMfaUser(app);
  const challenge = await challengeFor(app, guest.username, { from });
  const refused = await app.send(VERIFY_TOTP, { challenge, code: guest.code() }, { from });
  // The window began with the first sign-in, and each new user takes 30 seconds.
  expect(errorOf(refused)).toEqual({
    message: "Too many attempts. Try again in 810 seconds.",
    extensions: { code: "RATE_LIMITED", retryAfter: 810 },
  });
  const code = guest.code();
  expect(await signInWithCode(app, guest.username, code, { from: "2001:db8:1:2::1" })).toBe("OK");
  expect(await signInWithCode(app, home.username, home.code(), { from })).toBe("OK");
  await app.close();
});

test("wrong passwords of an account with a second factor are limited as of one without", async () => {
  const app = await makeApp();
  const { fail, login } = attemptsOn(() => app);
  const { username } = await makeMfaUser(app);
  await fail(5, username, THIEF);
  expect(await login(username, WRONG, THIEF)).toMatchObject({ outcome: "RATE_LIMITED", retryAfter: 1 });
  expect((await login(username, PASSWORD, ELSEWHERE)).outcome).toBe("MFA_REQUIRED");
  await app.close();
});
