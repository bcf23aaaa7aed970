import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { HOUR, idsFrom, MINUTE, SECOND } from "../../../src/clock.js";
import { loadConfig } from "../../../src/config.js";
import { KeyedHash } from "../../../src/crypto/keyed-hash.js";
import { EmailError, type Mailer, PermanentEmailError } from "../../../src/email/mailer.js";
import { SmtpMailer } from "../../../src/email/smtp.js";
import { resetPassword } from "../../../src/email/templates.js";
import { type ComposeEmail, type EmailFailure, Outbox } from "../../../src/services/email/outbox.js";
import { EmailLimits } from "../../../src/services/limits/email-limits.js";
import { type Database, migrate, openDatabase, ping } from "../../../src/storage/database.js";
import { FrozenClock, SECRET_KEY } from "../../support/app.js";
import { DATABASES, emptyDatabaseUrl } from "../../support/databases.js";
import { type MailServer, refusal, startMailServer } from "../../support/mail-server.js";

const ALICE = { kind: "PASSWORD_RESET", email: "alice@example.com", userId: "alice" } as const;

describe.each(DATABASES)("the outbox on %s", (database) => {
  let clock: FrozenClock;
  let server: MailServer;
  let databaseUrl: string;
  let office: Awaited<ReturnType<typeof open>>;
  let closing: (() => Promise<void>)[];
  let composed: number;

  /** Composes an email with a new token, as the emails of accounts do. */
  const compose: ComposeEmail = async ({ email, userId }) =>
    userId === null
      ? undefined
      : {
          to: email,
          ...resetPassword({
            appUrl: "https://app.example.com",
            username: userId,
            token: `CANARY-${composed++}`,
          }),
        };

  /** Opens the outbox of another process on the database of the test. */
  async function open({ mailer = smtpMailer(), makeMail = compose }: Options = {}) {
    const env = { DATABASE_URL: databaseUrl };
    const { database } = loadConfig(env);
    await migrate(database);
    const db = openDatabase(database, { onIdleError: () => {} });
    await ping(db);
    const failures: EmailFailure[] = [];
    const errors: unknown[] = [];
    const outbox = new Outbox({
      db,
      clock,
      newId: idsFrom(clock),
      mailer,
      compose: makeMail,
      limits: new EmailLimits({ db, clock, names: new KeyedHash(() => SECRET_KEY, "attempts") }),
      onFailure: (failure) => failures.push(failure),
      onError: (error) => errors.push(error),
    });
    closing.push(async () => {
      await outbox.close();
      await db.destroy();
    });
    return { db, outbox, failures, errors };
  }

  interface Options {
    mailer?: Mailer;
    makeMail?: ComposeEmail;
  }

  const smtpMailer = (port = server.port) =>
    new SmtpMailer({ url: `smtp://127.0.0.1:${port}`, from: "Latchkey <latchkey@example.com>" });

  const enqueue = (message: Parameters<Outbox["enqueue"]>[1] = ALICE) =>
    office.db.transaction().execute((transaction) => office.outbox.enqueue(transaction, message));

  const rows = (db: Database = office.db) => db.selectFrom("outbox").selectAll().orderBy("id").execute();

  async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 5 * SECOND;
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error(`never: ${condition}`);
      await sleep(10);
    }
  }

  beforeEach(async () => {
    clock = new FrozenClock();
    closing = [];
    composed = 0;
    server = await startMailServer();
    databaseUrl = await emptyDatabaseUrl(database);
    office = await open();
  });
  afterEach(async () => {
    await Promise.all(closing.map((close) => close()));
    await server.close();
    expect(office.errors).toEqual([]);
  });

  test("a stored row names an email, and contains neither its text nor a token", async () => {
    await enqueue();
    expect(await rows()).toEqual([
      {
        id: expect.any(String),
        kind: "PASSWORD_RESET",
        email: "alice@example.com",
        user_id: "alice",
        facts: "{}",
        encrypted_tokens: null,
        created_at: clock.now(),
        next_attempt_at: clock.now(),
        attempts: 0,
      },
    ]);
    expect(composed).toBe(0);
  });

  test("an email arrives once, as composed", async () => {
    await enqueue();
    await office.outbox.deliverDue();
    await office.outbox.deliverDue();
    expect(server.received).toHaveLength(1);
    expect(server.received[0]).toMatchObject({
      envelope: { from: "latchkey@example.com", to: ["alice@example.com"] },
      headers: {
        from: "Latchkey <latchkey@example.com>",
        to: "alice@example.com",
        subject: "Set a new password",
        "auto-submitted": "auto-generated",
      },
      text: expect.stringContaining("\nhttps://app.example.com/reset-password?token=CANARY-0\n"),
      html: expect.stringContaining('href="https://app.example.com/reset-password?token=CANARY-0"'),
    });
    expect(await rows()).toEqual([]);
    expect(office.failures).toEqual([]);
  });

  test("wake() returns before the email is sent, and sends each email once", async () => {
    await enqueue();
    office.outbox.wake();
    expect(server.received).toHaveLength(0);
    await eventually(() => server.received.length === 1);
    await enqueue();
    office.outbox.wake();
    office.outbox.wake();
    await eventually(() => server.received.length === 2);
  });

  test("an email that is due later is sent then, without another wake()", async () => {
    await enqueue();
    await office.db
      .updateTable("outbox")
      .set({ next_attempt_at: clock.now() + SECOND })
      .execute();
    office.outbox.wake();
    await sleep(500);
    clock.advance(SECOND);
    expect(server.received).toHaveLength(0);
    await eventually(() => server.received.length === 1);
  });

  test("a transaction that is rolled back sends nothing", async () => {
    const failed = office.db.transaction().execute(async (transaction) => {
      await office.outbox.enqueue(transaction, ALICE);
      throw new Error("rolled back");
    });
    await expect(failed).rejects.toThrow("rolled back");
    await office.outbox.deliverDue();
    expect(server.received).toEqual([]);
  });

  test("an email without content is dropped", async () => {
    await enqueue({ kind: "PASSWORD_RESET", email: "nobody@example.com" });
    await office.outbox.deliverDue();
    expect([server.received, await rows(), office.failures]).toEqual([[], [], []]);
  });

  test("no email is lost while the server is down: it is tried again after 30 s, 1 min, 2 min, up to every hour (row 66)", async () => {
    const { port } = server;
    await server.close();
    await enqueue();
    const started = clock.now();
    await office.outbox.deliverDue();
    const waited: number[] = [];
    for (let n = 0; n < 9; n++) {
      const [row] = await rows();
      const wait = row!.next_attempt_at - clock.now();
      waited.push(wait / SECOND);
      clock.advance(wait - 1);
      await office.outbox.deliverDue();
      expect((await rows())[0]).toMatchObject({ attempts: n + 1, created_at: started });
      clock.advance(1);
      await office.outbox.deliverDue();
    }
    expect(waited).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    server = await startMailServer({}, { port });
    clock.advance(HOUR);
    await office.outbox.deliverDue();
    expect(server.received).toHaveLength(1);
    // Every attempt issues a new token, so that its lifetime begins when it is sent.
    expect(server.received[0]!.text).toContain("token=CANARY-10");
    expect(await rows()).toEqual([]);
    expect(office.failures.map(({ outcome }) => outcome)).toEqual(Array(10).fill("DELAYED"));
  });

  test("after three days an email is given up and reported", async () => {
    await server.close();
    await enqueue();
    const [row] = await rows();
    clock.advance(72 * HOUR - 1);
    await office.outbox.deliverDue();
    expect(await rows()).toHaveLength(1);
    clock.advance(MINUTE);
    await office.outbox.deliverDue();
    expect(await rows()).toEqual([]);
    expect(office.failures.map(({ id, kind, outcome }) => ({ id, kind, outcome }))).toEqual([
      { id: row!.id, kind: "PASSWORD_RESET", outcome: "DELAYED" },
      { id: row!.id, kind: "PASSWORD_RESET", outcome: "GIVEN_UP" },
    ]);
    server = await startMailServer();
  });

  test.each([421, 450, 452])("%i is tried again", async (status) => {
    server.behaviour.recipient = () => {
      throw refusal(status);
    };
    await enqueue();
    await office.outbox.deliverDue();
    expect(office.failures).toMatchObject([{ outcome: "DELAYED", error: expect.any(EmailError) }]);
    delete server.behaviour.recipient;
    clock.advance(30 * SECOND);
    await office.outbox.deliverDue();
    expect(server.received).toHaveLength(1);
    expect(await rows()).toEqual([]);
  });

  test.each(["recipient", "data"] as const)(
    "5xx to the %s is final, and reported without the address",
    async (step) => {
      server.behaviour[step] = () => {
        throw refusal(550);
      };
      await enqueue();
      const [row] = await rows();
      await office.outbox.deliverDue();
      expect(await rows()).toEqual([]);
      const error = expect.any(PermanentEmailError);
      expect(office.failures).toEqual([{ id: row!.id, kind: "PASSWORD_RESET", outcome: "REFUSED", error }]);
      const { message, stack, cause } = office.failures[0]!.error as Error;
      expect(message).toBe(`the email was not sent: ${step === "data" ? "DATA" : "RCPT TO"}: 550`);
      expect(`${stack}${cause}`).not.toMatch(/alice|CANARY/);
    },
  );

  test("a 5xx about the sender, such as for a wrong SMTP password, loses no email", async () => {
    const strict = await startMailServer(
      {},
      { authOptional: false, onAuth: (_auth, _session, callback) => callback(refusal(535)) },
    );
    const own = await open({
      mailer: new SmtpMailer({
        url: `smtp://latchkey:wrong@127.0.0.1:${strict.port}`,
        from: "a@example.com",
      }),
    });
    await enqueue();
    await own.outbox.deliverDue();
    expect(own.failures).toMatchObject([{ outcome: "DELAYED" }]);
    expect((own.failures[0]!.error as Error).message).toMatch(/^the email was not sent: AUTH.*: 535$/);
    clock.advance(30 * SECOND);
    await office.outbox.deliverDue();
    expect(server.received).toHaveLength(1);
    await strict.close();
  });

  test("an email on which the server hangs delays neither other emails nor the requests for them", async () => {
    let hangUp = () => {};
    server.behaviour.recipient = (address) =>
      address.startsWith("slow")
        ? new Promise((_, reject) => {
            hangUp = () => reject(refusal(421));
          })
        : undefined;
    await enqueue({ ...ALICE, email: "slow@example.com" });
    office.outbox.wake();
    await eventually(() => composed === 1);
    for (let n = 0; n < 20; n++) await enqueue({ ...ALICE, email: `quick-${n}@example.com` });
    office.outbox.wake();
    await eventually(() => server.received.length === 20);
    // The server has them a moment before they are deleted from the outbox.
    await eventually(async () => (await rows()).length === 1);
    hangUp();
    await eventually(() => office.failures.length === 1);
    delete server.behaviour.recipient;
    clock.advance(30 * SECOND);
    await office.outbox.deliverDue();
    expect(server.received.at(-1)!.envelope.to).toEqual(["slow@example.com"]);
  });

  test("a slow server receives every email once, a few at a time", async () => {
    let [now, most] = [0, 0];
    server.behaviour.data = async () => {
      most = Math.max(most, ++now);
      await eventually(() => most >= 5);
      await sleep(50);
      now--;
    };
    for (let n = 0; n < 20; n++) await enqueue({ ...ALICE, email: `user-${n}@example.com` });
    await Promise.all([office.outbox.deliverDue(), office.outbox.deliverDue(), office.outbox.deliverDue()]);
    expect(new Set(server.received.map(({ envelope }) => envelope.to[0])).size).toBe(20);
    expect(server.received).toHaveLength(20);
    expect(most).toBe(5);
  });

  test("two processes send each email once", async () => {
    const other = await open();
    for (let n = 0; n < 30; n++) await enqueue({ ...ALICE, email: `user-${n}@example.com` });
    server.behaviour.data = () => sleep(5);
    await Promise.all([office.outbox.deliverDue(), other.outbox.deliverDue()]);
    expect(server.received).toHaveLength(30);
    expect(new Set(server.received.map(({ envelope }) => envelope.to[0])).size).toBe(30);
    expect(await rows()).toEqual([]);
    expect([office.failures, other.failures, other.errors]).toEqual([[], [], []]);
  });

  test("an email that a crashed process had claimed is sent by another after a minute", async () => {
    const dead = await open({ makeMail: () => new Promise(() => {}) });
    closing.pop();
    await enqueue();
    dead.outbox.wake();
    await sleep(500);
    clock.advance(MINUTE - 1);
    await office.outbox.deliverDue();
    expect(server.received).toHaveLength(0);
    clock.advance(1);
    await office.outbox.deliverDue();
    expect(server.received).toHaveLength(1);
    await dead.db.destroy();
  });

  test("an email that cannot be composed is tried again", async () => {
    const broken = await open({ makeMail: async () => Promise.reject(new Error("no database")) });
    await enqueue();
    await broken.outbox.deliverDue();
    expect(broken.failures).toMatchObject([{ outcome: "DELAYED", error: { message: "no database" } }]);
    expect(await rows()).toMatchObject([{ attempts: 1, next_attempt_at: clock.now() + 30 * SECOND }]);
  });

  test("close() lets an email in flight arrive, starts no other, and does not wait for a server that hangs", async () => {
    const own = await open();
    server.behaviour.data = () => sleep(300);
    await enqueue();
    const delivered = own.outbox.deliverDue();
    await eventually(() => composed === 1);
    await own.outbox.close();
    await delivered;
    expect(server.received).toHaveLength(1);
    await enqueue();
    own.outbox.wake();
    await own.outbox.deliverDue();
    expect(await rows()).toMatchObject([{ attempts: 0 }]);

    server.behaviour.data = () => new Promise(() => {});
    const started = performance.now();
    office.outbox.wake();
    await eventually(() => composed === 2);
    await office.outbox.close();
    expect(performance.now() - started).toBeLessThan(5 * SECOND);
    expect(await rows()).toMatchObject([{ attempts: 1, next_attempt_at: clock.now() + 30 * SECOND }]);
    expect(office.failures).toMatchObject([{ outcome: "DELAYED" }]);
  });

  test("wake() reports that the database is unavailable, and throws nothing", async () => {
    const own = await open();
    await own.db.destroy();
    closing.pop();
    own.outbox.wake();
    await eventually(() => own.errors.length === 1);
    await own.outbox.close();
  });
});
