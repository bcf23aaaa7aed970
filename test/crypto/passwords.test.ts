import { availableParallelism } from "node:os";
import { afterAll, describe, expect, jest, test } from "@jest/globals";
import bcrypt from "bcrypt";
import { PasswordThreads } from "../../src/crypto/password-threads.js";
import { verify } from "../../src/crypto/password-worker.js";
import { isHashable, isRunnableHash, Passwords } from "../../src/crypto/passwords.js";
import { Metrics } from "../../src/metrics.js";
import { PASSWORD } from "../support/app.js";

describe("passwords", () => {
  const metrics = new Metrics();
  const threads = new PasswordThreads();
  const passwords = new Passwords({ cost: 4, metrics, threads });
  afterAll(async () => {
    await threads.close();
    metrics.close();
  });

  test.each(["$2a$", "$2b$", "$2y$"])("verifies %s hashes from other systems", async (variant) => {
    const hash = bcrypt.hashSync(PASSWORD, 4).replace("$2b$", variant);
    expect(await passwords.verify(PASSWORD, hash)).toBe(true);
    expect(await passwords.verify(`${PASSWORD}x`, hash)).toBe(false);
  });

  // From the test suite of crypt_blowfish, hence made by another implementation.
  test.each([
    ["U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
    ["U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"],
  ])("verifies %j against its published hash", async (password, hash) => {
    expect(await passwords.verify(password, hash)).toBe(true);
  });

  test("never computes a hash above the highest cost", async () => {
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
    ["$2b$04$short", "truncated"],
    ["$2x$04$abc", "unknown"],
  ])("rejects every password for the hash %j (%s)", async (hash) => {
    expect(await passwords.verify(PASSWORD, hash)).toBe(false);
  });

  test("rejects every password without a hash", async () => {
    expect(await passwords.verify(PASSWORD, undefined)).toBe(false);
  });

  test("refuses to hash a password that bcrypt would truncate (row 13)", async () => {
    for (const password of ["x".repeat(73), "é".repeat(37), "a\0b", "a\ud800"]) {
      expect(isHashable(password)).toBe(false);
      await expect(passwords.hash(password)).rejects.toThrow("bcrypt would not hash the whole password");
    }
    for (const password of ["x".repeat(72), "é".repeat(36)]) {
      expect(await passwords.hash(password)).toMatch(/^\$2b\$04\$/);
    }
  });

  test("a password of 73 bytes does not match its first 72, and takes as much work to reject (rows 3, 13)", async () => {
    const hash = bcrypt.hashSync("x".repeat(72), 4);
    const worked = async () =>
      Number(/^latchkey_password_work_seconds_count (\d+)$/m.exec((await metrics.read()).text)?.[1]);
    expect(await passwords.verify("x".repeat(72), hash)).toBe(true);
    const before = await worked();
    expect(before).toBeGreaterThan(0);
    expect(await passwords.verify("x".repeat(73), hash)).toBe(false);
    expect(await passwords.verify(PASSWORD, undefined)).toBe(false);
    expect(await worked()).toBe(before + 2);
  });

  test("a wrong password costs the same number of bcrypt rounds, however cheap the stored hash (row 18)", async () => {
    const compare = jest.spyOn(bcrypt, "compareSync");
    const rounds = () =>
      compare.mock.calls.map(([, hash]) => 2 ** Number(hash.slice(4, 6))).reduce((sum, n) => sum + n);
    try {
      for (const cost of [4, 5, 7, 8]) {
        compare.mockClear();
        const task = { password: "wrong", hash: bcrypt.hashSync(PASSWORD, cost), cost: 8 };
        expect((await verify(task)).result).toBe(false);
        expect(rounds()).toBe(2 ** 8);
      }
    } finally {
      compare.mockRestore();
    }
  });

  test("every core hashes, and processes that share the cores divide them", () => {
    const cores = availableParallelism();
    expect(passwords.threads).toBe(cores);
    const shared = (processes: number) => new PasswordThreads(processes).count;
    expect([shared(1), shared(cores), shared(cores + 1)]).toEqual([cores, 1, 1]);
    expect(shared(2)).toBe(Math.ceil(cores / 2));
  });

  test("the estimated duration starts at what the cost suggests and follows measurements", async () => {
    const fresh = new Passwords({ cost: 10, metrics, threads });
    const expected = 250 / 4;
    expect(fresh.duration).toBe(expected);
    await fresh.hash(PASSWORD);
    const once = fresh.duration;
    expect(once).not.toBe(expected);
    // A single measurement moves the estimate only a little.
    expect(once).toBeGreaterThan(expected * 0.9);
    await fresh.verify("wrong", undefined);
    expect(fresh.duration).not.toBe(once);
  });
});
