import { availableParallelism } from "node:os";
import { setTimeout } from "node:timers/promises";
import { afterAll, describe, expect, test } from "@jest/globals";
import bcrypt from "bcrypt";
import { isHashable, isRunnableHash, Passwords } from "../../src/crypto/passwords.js";
import { Metrics } from "../../src/metrics.js";
import { makeApp, PASSWORD } from "../support/app.js";
import { LOGIN, ME, PASSWORD_STRENGTH, REGISTER } from "../support/operations.js";

describe("passwords", () => {
  const metrics = new Metrics();
  const passwords = new Passwords({ cost: 4, metrics });
  afterAll(async () => {
    await passwords.close();
    metrics.close();
  });

  test.each(["$2a$", "$2b$", "$2y$"])("reads %s hashes of other systems", async (variant) => {
    const hash = bcrypt.hashSync(PASSWORD, 4).replace("$2b$", variant);
    expect(await passwords.verify(PASSWORD, hash)).toBe(true);
    expect(await passwords.verify(`${PASSWORD}x`, hash)).toBe(false);
  });

  // From the crypt_blowfish test suite: made by other programs.
  test.each([
    ["U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
    ["U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"],
  ])("knows %j by its published hash", async (password, hash) => {
    expect(await passwords.verify(password, hash)).toBe(true);
  });

  test("never runs a hash beyond the highest cost", async () => {
    const started = performance.now();
    for (const cost of ["16", "31", "32", "99"]) {
      const hash = bcrypt.hashSync(PASSWORD, 4).replace("$04$", `$${cost}$`);
      expect(isRunnableHash(hash)).toBe(false);
      expect(await passwords.verify(PASSWORD, hash)).toBe(false);
    }
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test.each([
    ["", "no hash"],
    ["plain", "not bcrypt"],
    ["$2b$04$short", "cut short"],
    ["$2x$04$abc", "unknown"],
  ])("answers no to %j (%s)", async (hash) => {
    expect(await passwords.verify(PASSWORD, hash)).toBe(false);
  });

  test("answers no without a hash", async () => {
    expect(await passwords.verify(PASSWORD, undefined)).toBe(false);
  });

  test("refuses what bcrypt would not hash whole (row 13)", async () => {
    for (const password of ["x".repeat(73), "é".repeat(37), "a\0b", "a\ud800"]) {
      expect(isHashable(password)).toBe(false);
      await expect(passwords.hash(password)).rejects.toThrow("bcrypt would not hash all of this password");
    }
    for (const password of ["x".repeat(72), "é".repeat(36)]) {
      expect(await passwords.hash(password)).toMatch(/^\$2b\$04\$/);
    }
  });

  test("a password cut at bcrypt's 72 bytes is another password, found so by the same work (rows 3, 13)", async () => {
    const hash = bcrypt.hashSync("x".repeat(72), 4);
    const worked = async () =>
      Number(/^latchkey_password_wait_seconds_count (\d+)$/m.exec((await metrics.read()).text)?.[1]);
    expect(await passwords.verify("x".repeat(72), hash)).toBe(true);
    const before = await worked();
    expect(before).toBeGreaterThan(0);
    expect(await passwords.verify("x".repeat(73), hash)).toBe(false);
    expect(await passwords.verify(PASSWORD, undefined)).toBe(false);
    expect(await worked()).toBe(before + 2);
  });

  test("half of the places are for users who have shown who they are, one for each (row 20)", async () => {
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const take = (userId?: string) => passwords.withPlace({ userId }, () => ended);
    const refused = expect.objectContaining({ code: "OVERLOADED" });
    const places = 16 * Math.max(1, availableParallelism() - 1);
    const taken = Array.from({ length: places / 2 - 1 }, () => take());
    // The second of one user is one of the others.
    taken.push(take("anna"));
    await expect(take()).rejects.toEqual(refused);
    await expect(take("anna")).rejects.toEqual(refused);
    for (let n = 0; n < places / 2; n++) taken.push(take(`user${n}`));
    await expect(take("bella")).rejects.toEqual(refused);
    expect(() => passwords.expectPlace()).toThrow(refused);
    end();
    await Promise.all(taken);
    await expect(passwords.withPlace({ userId: undefined }, async () => "done")).resolves.toBe("done");
  });
});

// zxcvbn takes ten times as long for this as for what people type.
const SLOW = "@4(<[{3€6&9#!1|7£$5+%2".repeat(6).slice(0, 128);

test("who is known gets in while strangers flood the queue with estimates and sign-ups (row 20)", async () => {
  const app = await makeApp({ config: { bcryptCost: 10 } });
  await app.createUser("anna");
  const known = { from: "192.0.2.1" };
  const login = () => app.send(LOGIN, { username: "anna", password: PASSWORD }, known);
  expect((await login()).status).toBe(200);
  const flood = Array.from({ length: 20 * availableParallelism() }, (_, n) => {
    const from = `198.51.100.${n}`;
    const input = { username: `user${n}`, email: `user${n}@example.com`, password: PASSWORD };
    return [
      app.send(PASSWORD_STRENGTH, { password: SLOW }, { from }),
      app.send(REGISTER, { input }, { from }),
    ];
  }).flat();
  const overloaded = flood.map(async (answer) => {
    if ((await answer).status !== 503) throw new Error("it was let in");
  });
  await Promise.any(overloaded);
  expect((await login()).status).toBe(200);
  await Promise.all(flood);
  await app.close();
});

test("one user's logins, however many and right, do not hold off who else is known (row 20)", async () => {
  const app = await makeApp({ config: { bcryptCost: 10 } });
  const login = (username: string) =>
    app.send(LOGIN, { username, password: PASSWORD }, { from: `192.0.2.${username.length}` });
  for (const username of ["anna", "bertha"]) {
    await app.createUser(username);
    expect((await login(username)).status).toBe(200);
  }
  let over = false;
  let overloaded = 0;
  const flood = Array.from({ length: 30 * availableParallelism() }, async () => {
    while (!over) if ((await login("anna")).status === 503) overloaded++;
  });
  while (overloaded === 0) await setTimeout(10);
  for (let n = 0; n < 3; n++) expect((await login("bertha")).status).toBe(200);
  over = true;
  await Promise.all(flood);
  await app.close();
});

test("past the queue's end a login is OVERLOADED at once, while tokens are read as ever (row 20)", async () => {
  const app = await makeApp({ config: { bcryptCost: 12 } });
  await app.createUser("alice");
  const { accessToken } = await app.login("alice");
  const logins = Array.from({ length: 40 }, (_, n) =>
    app.send(LOGIN, { username: `nobody${n}`, password: "wrong" }, { from: `192.0.2.${n}` }),
  );
  const me = await app.send(ME, {}, { token: accessToken });
  expect(me.data?.me.username).toBe("alice");

  const answers = await Promise.all(logins);
  const refused = answers.filter(({ status }) => status === 503);
  expect(answers.filter(({ status }) => status === 401).length + refused.length).toBe(40);
  expect(refused.length).toBeGreaterThan(0);
  for (const { headers, errors } of refused) {
    expect(headers.get("retry-after")).toBe("2");
    expect(errors).toEqual([
      expect.objectContaining({
        message: "Too many passwords are being checked. Try again in 2 seconds.",
        extensions: { code: "OVERLOADED", retryAfter: 2 },
      }),
    ]);
  }
  await app.close();
});
