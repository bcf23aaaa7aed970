import { availableParallelism } from "node:os";
import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { PasswordThreads } from "../../../src/crypto/password-threads.js";
import { Passwords } from "../../../src/crypto/passwords.js";
import { Metrics } from "../../../src/metrics.js";
import { PasswordQueue, type SlotHolder } from "../../../src/services/limits/password-queue.js";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { LOGIN, ME, PASSWORD_STRENGTH, REGISTER } from "../../support/operations.js";
import { importUsers } from "../../support/users.js";

const SLOTS = availableParallelism() + 1;
const COST = 10;
/** 5 seconds of work for each thread, at 62.5 ms a password: the estimate for bcrypt of this cost. */
const CAPACITY = (SLOTS - 1) * 80;

const OVERLOADED = expect.objectContaining({
  code: "OVERLOADED",
  message: "Too many passwords are being checked. Try again in 5 seconds.",
  details: { retryAfter: 5 },
});

describe("the password queue", () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
    jest.useRealTimers();
  });

  /** A queue whose slots are all taken. Work that gets a slot keeps it until `next`. */
  function fullQueue() {
    const metrics = new Metrics();
    const threads = new PasswordThreads();
    const queue = new PasswordQueue({ passwords: new Passwords({ cost: COST, metrics, threads }), metrics });
    const started: string[] = [];
    const running: (() => void)[] = [];
    closing.push(async () => {
      metrics.close();
      while (running.length > 0) await next();
    });
    /** Ends the work that has run longest, and lets the next begin. */
    async function next() {
      running.shift()?.();
      await new Promise(setImmediate);
    }
    const ask = (name: string, holder: SlotHolder) =>
      queue.withSlot(holder, () => {
        started.push(name);
        return new Promise<string>((resolve) => running.push(() => resolve(name)));
      });
    for (let n = 0; n < SLOTS; n++) void ask("first", from("198.51.100.1", "first"));
    started.length = 0;
    return {
      queue,
      started,
      ask,
      /** Waits for a slot. A refusal is listed as the name with its code. */
      wait: (name: string, holder: SlotHolder) =>
        void ask(name, holder).catch(({ code }) => started.push(`${name} ${code}`)),
      next,
    };
  }

  const from = (ipAddress: string, account = "", known = false): SlotHolder => ({
    caller: { ipAddress, userAgent: null },
    account,
    known,
  });

  test("serves waiting networks in turn, and the accounts of each network in turn", async () => {
    const { started, wait, next } = fullQueue();
    wait("a1", from("2001:db8:1:1::1", "one"));
    wait("a2", from("2001:db8:1:1::2", "one"));
    wait("a3", from("2001:db8:1:1::3", "one"));
    wait("a4", from("2001:db8:1:1::4", "two"));
    wait("b", from("192.0.2.2"));
    wait("c1", from("192.0.2.3", "one"));
    wait("c2", from("192.0.2.3", "two"));
    for (let n = 0; n < 7; n++) await next();
    expect(started).toEqual(["a1", "b", "c1", "a4", "c2", "a2", "a3"]);
  });

  test("passes on the slot of work that failed", async () => {
    const { queue, started, wait, next } = fullQueue();
    const failing = queue.withSlot(from("192.0.2.1"), async () => {
      throw new Error("no");
    });
    wait("behind it", from("192.0.2.2"));
    await Promise.all([expect(failing).rejects.toThrow("no"), next()]);
    expect(started).toEqual(["behind it"]);
  });

  test("refuses, if it is full, the newest request of the network with the most waiting (row 20)", async () => {
    const { started, wait, ask } = fullQueue();
    for (let n = 0; n < CAPACITY; n++) wait(`flood ${n}`, from("192.0.2.1", `account ${n}`));
    await expect(ask("flood", from("192.0.2.1", "another"))).rejects.toEqual(OVERLOADED);
    // Each of any number of other networks displaces a request of the flood.
    for (let n = 0; n < 20; n++) {
      wait(`other ${n}`, from(`203.0.113.${n}`));
    }
    await new Promise(setImmediate);
    expect(started).toEqual(Array.from({ length: 20 }, (_, n) => `flood ${CAPACITY - 1 - n} OVERLOADED`));
  });

  test("refuses, within a network, the newest request of the account with the most waiting", async () => {
    const { started, wait } = fullQueue();
    for (let n = 0; n < CAPACITY; n++) wait(`flood ${n}`, from("192.0.2.1", "one"));
    wait("colleague", from("192.0.2.1", "two"));
    await new Promise(setImmediate);
    expect(started).toEqual([`flood ${CAPACITY - 1} OVERLOADED`]);
  });

  test("reserves half for known networks while very many others flood it, and vice versa (row 20)", async () => {
    for (const flooding of [false, true]) {
      const { started, wait, ask } = fullQueue();
      for (let n = 0; n < CAPACITY; n++) wait(`flood ${n}`, from(`10.0.0.${n}`, "", flooding));
      await expect(ask("another", from("192.0.2.1", "", flooding))).rejects.toEqual(OVERLOADED);
      for (let n = 0; n < CAPACITY / 2; n++) wait("admitted", from(`203.0.113.${n}`, "", !flooding));
      await new Promise(setImmediate);
      const displaced = Array.from(
        { length: CAPACITY / 2 },
        (_, n) => `flood ${CAPACITY - 1 - n} OVERLOADED`,
      );
      expect(started).toEqual(displaced);
      await expect(ask("late", from("198.51.100.7", "", !flooding))).rejects.toEqual(OVERLOADED);
    }
  });

  test("reserves that half for one request of each network: known accounts of one network displace no others (row 20)", async () => {
    const { started, wait, ask } = fullQueue();
    for (let n = 0; n < CAPACITY; n++) wait(`flood ${n}`, from("192.0.2.1", `account ${n}`, true));
    for (let n = 0; n < CAPACITY - 1; n++) wait(`other ${n}`, from(`203.0.113.${n}`));
    await new Promise(setImmediate);
    expect(started).toEqual(
      Array.from({ length: CAPACITY - 1 }, (_, n) => `flood ${CAPACITY - 1 - n} OVERLOADED`),
    );
    // Now each network has one.
    await expect(ask("flood", from("192.0.2.1", "another", true))).rejects.toEqual(OVERLOADED);
  });

  test("refuses and forgets a request that has waited for 30 seconds", async () => {
    jest.useFakeTimers({ doNotFake: ["setImmediate", "performance", "nextTick"] });
    const { started, wait, next } = fullQueue();
    wait("early", from("192.0.2.1"));
    jest.advanceTimersByTime(29_999);
    wait("late", from("192.0.2.1"));
    await new Promise(setImmediate);
    expect(started).toEqual([]);
    jest.advanceTimersByTime(1);
    await new Promise(setImmediate);
    expect(started).toEqual(["early OVERLOADED"]);
    await next();
    jest.advanceTimersByTime(60_000);
    await next();
    expect(started).toEqual(["early OVERLOADED", "late"]);
  });
});

describe("a flood", () => {
  const FLOODER = "198.51.100.1";
  /** More than the queue has room for: 128 on a machine of two cores. */
  const CONNECTIONS = CAPACITY + 48;
  const NEVER = Date.parse("9999-12-31");

  let app: App;
  let release = () => {};
  let flood: Promise<unknown> = Promise.resolve();
  /** The statuses of the flood's answers, in the order in which they arrived. */
  let answers: number[];
  afterEach(async () => {
    release();
    await flood;
    await app.close();
  });

  const login = (username: string, from: string, password = PASSWORD) =>
    app.send(LOGIN, { username, password }, { from });
  const names = (name: string, n: number) => Array.from({ length: n }, (_, k) => `${name}-${k}`);

  /** Starts an app with these users. @returns their ids by username */
  async function open(usernames: readonly string[]) {
    app = await makeApp({ config: { bcryptCost: COST } });
    await importUsers(app, usernames, COST);
    const users = await app.latchkey.db.selectFrom("users").select(["id", "username"]).execute();
    return new Map(users.map(({ id, username }) => [username, id]));
  }

  /** Stores a count of so many failures that no password is checked, so that a slot is released immediately. */
  async function limit(name: string, account: string, network: string) {
    const row = { name, account, network, count: 100, next_at: NEVER, expires_at: NEVER };
    await app.latchkey.db.insertInto("attempts").values(row).execute();
  }

  async function until(what: string, reached: () => Promise<boolean> | boolean) {
    const deadline = Date.now() + 20_000;
    while (!(await reached())) {
      if (Date.now() > deadline) throw new Error(`timed out: ${what}; ${await waiting()} wait, ${answers}`);
      await setTimeout(10);
    }
  }
  const waiting = async () =>
    Number(/^latchkey_password_queue_length (\d+)$/m.exec((await app.request("/metrics")).text)?.[1]);
  const refused = () => answers.filter((status) => status === 503).length;

  /** Fills the queue behind slots that are all taken until `release`. */
  async function start(send: (n: number) => Promise<{ status: number }>) {
    answers = [];
    const released = Promise.withResolvers<void>();
    release = released.resolve;
    const holder = { caller: { ipAddress: null, userAgent: null }, account: "", known: false };
    for (let n = 0; n < SLOTS; n++) void app.latchkey.passwordQueue.withSlot(holder, () => released.promise);
    const requests = Array.from({ length: CONNECTIONS }, async (_, n) =>
      answers.push((await send(n)).status),
    );
    flood = Promise.all(requests);
    // How many fit depends on how long passwords have taken on this machine.
    await until("it is full", async () => refused() > 0 && (await waiting()) + refused() === CONNECTIONS);
  }

  /** Sends requests while the queue is full, then lets it continue. @returns the statuses of their answers */
  async function whileFull(requests: readonly (() => Promise<{ status: number }>)[]) {
    const before = refused();
    const sent = Promise.all(requests.map((request) => request()));
    await until("each has displaced one", () => refused() === before + requests.length);
    expect(answers.length).toBe(refused());
    release();
    return (await sent).map(({ status }) => status);
  }

  test.each([
    ["wrong logins", (n: number) => login(`nobody-${n}`, FLOODER, "wrong")],
    ["correct logins of 24 accounts", (n: number) => login(`attacker-${n % 24}`, FLOODER)],
    [
      "sign-ups",
      (n: number) => {
        const input = { username: `new-${n}`, email: `new-${n}@example.com`, password: PASSWORD };
        return app.send(REGISTER, { input }, { from: FLOODER });
      },
    ],
    ["estimates", (n: number) => app.send(PASSWORD_STRENGTH, { password: String(n) }, { from: FLOODER })],
  ])("of %s from one network does not keep out other networks (rows 16, 20)", async (_what, send) => {
    const users = names("user", 20);
    const ids = await open([...users, "anna", ...names("attacker", 24)]);
    expect((await login("anna", "192.0.2.1")).status).toBe(200);
    for (const name of names("attacker", 24)) {
      const known = { user_id: ids.get(name)!, network: FLOODER, expires_at: NEVER };
      await app.latchkey.db.insertInto("known_networks").values(known).execute();
      await limit("PASSWORD_PAIR", known.user_id, FLOODER);
    }
    for (const kind of ["PASSWORD", "REGISTRATION", "PASSWORD_STRENGTH"]) {
      await limit(`${kind}_NETWORK`, "", FLOODER);
    }
    await start(send);
    const statuses = await whileFull([
      ...users.map((username, n) => () => login(username, `203.0.113.${n}`)),
      () => login("anna", "192.0.2.1"),
    ]);
    expect(statuses).toEqual(Array(21).fill(200));
  });

  test("from very many networks does not keep out known ones (rows 16, 20)", async () => {
    const ids = await open(["anna", "bella", "victim"]);
    expect((await login("anna", "192.0.2.1")).status).toBe(200);
    await limit("PASSWORD_ACCOUNT", ids.get("victim")!, "");
    await start((n) => login("victim", `10.${Math.floor(n / 250)}.0.${n % 250}`, "wrong"));
    expect((await login("bella", "192.0.2.2")).status).toBe(503);
    expect(await whileFull([() => login("anna", "192.0.2.1")])).toEqual([200]);
  });

  test("is refused immediately once the queue is full, does not count as attempts, and delays no token (row 20)", async () => {
    const ids = await open(["alice"]);
    const { accessToken } = await app.login("alice");
    await limit("PASSWORD_NETWORK", "", FLOODER);
    await start((n) => login(`nobody-${n}`, FLOODER, "wrong"));
    const { status, headers, errors } = await login("alice", FLOODER);
    expect([status, headers.get("retry-after")]).toEqual([503, "5"]);
    expect(errors).toEqual([
      expect.objectContaining({
        message: "Too many passwords are being checked. Try again in 5 seconds.",
        extensions: { code: "OVERLOADED", retryAfter: 5 },
      }),
    ]);
    const me = await app.send(ME, {}, { token: accessToken });
    expect(me.data?.me.username).toBe("alice");
    // No password was checked during all of this.
    expect(answers.length).toBe(refused());
    release();
    await flood;
    const counted = app.latchkey.db
      .selectFrom("attempts")
      .selectAll()
      .where("account", "=", ids.get("alice")!);
    expect(await counted.execute()).toEqual([]);
  });
});
