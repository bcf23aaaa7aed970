import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { systemClock } from "../../src/clock.js";
import { hashRecoveryCode } from "../../src/crypto/recovery-codes.js";
import { type Database, inTransaction } from "../../src/storage/database.js";
import { lockUser } from "../../src/storage/users.js";
import { outcomeOf } from "../support/answers.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import {
  CONFIRM_TOTP,
  DISABLE_TOTP,
  REGENERATE_RECOVERY_CODES,
  SIGN_IN,
  START_TOTP,
  VERIFY_RECOVERY_CODE,
  VERIFY_TOTP,
} from "../support/operations.js";
import { signInWithRecoveryCode } from "../support/second-factors.js";
import { type Server, startServer } from "../support/server.js";
import { auditEventsOf } from "../support/tables.js";
import { totpCode } from "../support/totp.js";
import { makeUser } from "../support/users.js";

const ROUNDS = 2;
const CLIENTS = 4;
/** How long after the first client has gone through all steps the process is killed, in milliseconds. The same in every run. */
const MOMENTS = fc.sample(fc.integer({ min: 0, max: 200 }), { seed: 48, numRuns: ROUNDS });
/** The same issuer as makeApp(), so that each accepts the other's tokens; emails stay queued. */
const ENV = { PUBLIC_URL: "http://localhost:4000", SMTP_URL: "smtp://127.0.0.1:1" };
const STEP = 30_000;

type Step = "confirm" | "verifyTotp" | "regenerate" | "verifyRecoveryCode" | "disable";

/** What a client knows: what was acknowledged, and the step it has no answer for. */
interface Client {
  id: string;
  username: string;
  token: string;
  from: string;
  enabled: boolean;
  /** The recovery codes that it was given, but for those it has used. */
  codes: string[];
  rounds: number;
  pending?: Step | undefined;
  /** Sends the pending sign-in again. */
  retry?: ((app: Pick<App, "send">) => Promise<string>) | undefined;
}

describe.each(DATABASES)("a process that is killed repeatedly on %s", (database) => {
  let app: App;
  let server: Server | undefined;
  beforeEach(async () => {
    app = await makeApp({ database, clock: systemClock, env: ENV });
  });
  afterEach(async () => {
    await server?.end("SIGKILL");
    await app.close();
  });

  /** Adds an app, signs in with it, replaces the recovery codes, signs in with one, and removes the app, for ever. */
  async function run(client: Client, { send }: Server): Promise<never> {
    const { username, token, from } = client;
    const challengeFor = async () => {
      const { data } = await send(SIGN_IN, { username, password: PASSWORD }, { from });
      if (data?.signIn.__typename !== "MfaChallenge") throw new Error("no challenge");
      return data.signIn.challenge;
    };
    for (;;) {
      const { data: started } = await send(START_TOTP, {}, { token, from });
      const { secret } = started!.startTotpEnrollment;
      client.pending = "confirm";
      const now = Date.now();
      const { data: confirmed } = await send(CONFIRM_TOTP, { code: totpCode(secret, now) }, { token, from });
      Object.assign(client, {
        enabled: true,
        codes: [...confirmed!.confirmTotpEnrollment],
        pending: undefined,
      });

      const first = { challenge: await challengeFor(), code: totpCode(secret, now + STEP) };
      client.retry = async (at) => outcomeOf(await at.send(VERIFY_TOTP, first, { from }));
      client.pending = "verifyTotp";
      const { data: verified } = await send(VERIFY_TOTP, first, { from });
      expect(verified?.verifyTotp.user.username).toBe(username);

      client.pending = "regenerate";
      const { data: replaced } = await send(REGENERATE_RECOVERY_CODES, {}, { token, from });
      Object.assign(client, { codes: [...replaced!.regenerateRecoveryCodes], pending: undefined });

      const second = { challenge: await challengeFor(), code: client.codes[0]! };
      client.retry = async (at) => outcomeOf(await at.send(VERIFY_RECOVERY_CODE, second, { from }));
      client.pending = "verifyRecoveryCode";
      const { data: recovered } = await send(VERIFY_RECOVERY_CODE, second, { from });
      expect(recovered?.verifyRecoveryCode.user.username).toBe(username);
      client.codes.shift();

      client.pending = "disable";
      await send(DISABLE_TOTP, {}, { token, from });
      Object.assign(client, { enabled: false, codes: [], pending: undefined });
      client.rounds++;
    }
  }

  test(`${ROUNDS} times while second factors are added, used and removed: each is done completely or not at all, and always if it was acknowledged`, async () => {
    for (const [round, moment] of MOMENTS.entries()) {
      const running = await startServer(app.databaseUrl, ENV);
      server = running;
      const clients: Client[] = [];
      for (let n = 0; n < CLIENTS; n++) {
        const { id, username, token } = await makeUser(app, `user-${round}-${n}`);
        const from = `203.0.113.${CLIENTS * round + n}`;
        clients.push({ id, username, token, from, enabled: false, codes: [], rounds: 0 });
      }
      const ended = Promise.allSettled(clients.map((client) => run(client, running)));
      const deadline = performance.now() + 30_000;
      while (!clients.some(({ rounds }) => rounds > 0)) {
        if (performance.now() > deadline) throw new Error("no client went through all steps");
        await setTimeout(5);
      }
      await setTimeout(moment);
      // In the middle of a step: most of the time the clients wait for their passwords to be checked.
      while (!clients.some(({ pending }) => pending !== undefined)) await setTimeout(1);
      await running.end("SIGKILL");
      // Each client was cut off. None was refused.
      for (const end of await ended)
        expect(end).toEqual({
          status: "rejected",
          reason: expect.objectContaining({ message: expect.stringMatching(/fetch failed|terminated|JSON/) }),
        });
      for (const client of clients) await expectWhole(app, client);
    }
  }, 120_000);
});

/** Expects the account to be as acknowledged, with the pending step done completely or not at all. */
async function expectWhole(app: App, client: Client): Promise<void> {
  const { id, username, codes, pending } = client;
  const before = await stateOf(app, id);
  expect(before.methods).toBe(before.enabled ? "TOTP RECOVERY_CODE" : "");
  if (!before.enabled) expect([before.hashes, before.challenges]).toEqual([[], 0]);
  else expect([9, 10]).toContain(before.hashes.length);
  if (pending !== "confirm" && pending !== "disable")
    expect([username, pending, before.enabled]).toEqual([username, pending, client.enabled]);
  // A change and its event, its email and its session come together.
  expect(before.counts.enabled - before.counts.disabled).toBe(before.enabled ? 1 : 0);
  expect(before.emails).toBe(before.counts.changes);
  expect(before.sessions).toBe(before.counts.logins);

  if (pending === "verifyTotp" || pending === "verifyRecoveryCode") {
    const outcome = await client.retry!(app);
    const after = await stateOf(app, id);
    // Either it was not done, and works now; or it was, with the session that its event names.
    expect(["OK", "INVALID_TOKEN"]).toContain(outcome);
    expect(after.sessions).toBe(before.sessions + (outcome === "OK" ? 1 : 0));
    expect(after.sessions).toBe(after.counts.logins);
    if (pending === "verifyRecoveryCode") codes.shift();
  }
  const { enabled, hashes } = await stateOf(app, id);
  if (!enabled || pending === "confirm") return;
  const known = codes.map(hashRecoveryCode).sort();
  // Those that replaced them were not seen: the client asks for others.
  if (pending === "regenerate" && String(hashes) !== String(known)) {
    expect(hashes.filter((hash) => known.includes(hash))).toEqual([]);
    const { data } = await app.send(REGENERATE_RECOVERY_CODES, {}, { token: client.token });
    codes.splice(0, codes.length, ...data!.regenerateRecoveryCodes);
  } else expect([pending, hashes]).toEqual([pending, known]);
  expect(await signInWithRecoveryCode(app, username, codes.at(-1)!)).toBe("OK");
}

/** Locks the user first: PostgreSQL may still be busy with a transaction of the process that was killed. */
async function stateOf({ latchkey }: App, userId: string) {
  return inTransaction(latchkey.db, async (transaction) => {
    await lockUser(transaction, userId);
    return readState(transaction, userId);
  });
}

async function readState(db: Database, userId: string) {
  const { mfa_methods, email } = await db
    .selectFrom("users")
    .selectAll()
    .where("id", "=", userId)
    .executeTakeFirstOrThrow();
  const secret = await db
    .selectFrom("totp_secrets")
    .select("confirmed_at")
    .where("user_id", "=", userId)
    .executeTakeFirst();
  const hashes = await db
    .selectFrom("recovery_codes")
    .select("code_hash")
    .where("user_id", "=", userId)
    .execute();
  const challenges = await db
    .selectFrom("challenges")
    .select("purpose")
    .where("user_id", "=", userId)
    .execute();
  const sessions = await db.selectFrom("sessions").select("id").where("user_id", "=", userId).execute();
  const emails = await db.selectFrom("outbox").select("kind").where("email", "=", email).execute();
  const events = await auditEventsOf(db, userId);
  const count = (...types: string[]) => events.filter(({ type }) => types.includes(type)).length;
  return {
    methods: mfa_methods,
    enabled: secret !== undefined && secret.confirmed_at !== null,
    hashes: hashes.map(({ code_hash }) => code_hash).sort(),
    challenges: challenges.length,
    sessions: sessions.length,
    emails: emails.filter(({ kind }) => kind === "MFA_CHANGED").length,
    counts: {
      enabled: count("TOTP_ENABLED"),
      disabled: count("TOTP_DISABLED"),
      changes: count("TOTP_ENABLED", "TOTP_DISABLED", "RECOVERY_CODES_REPLACED", "RECOVERY_CODE_USED"),
      logins: count("LOGIN_SUCCEEDED"),
    },
  };
}
