import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { hashOpaqueToken, newOpaqueToken } from "../../src/crypto/opaque-tokens.js";
import { CREATE_USER } from "../support/administration-operations.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { emailedToken } from "../support/emails.js";
import { REFRESH, REGISTER, REQUEST_EMAIL_CHANGE, REQUEST_PASSWORD_RESET } from "../support/operations.js";

describe("opaque tokens (row 36)", () => {
  const tokens = Array.from({ length: 10_000 }, newOpaqueToken);

  test("are 32 bytes in base64url, and among 10,000 no two share their beginning or end", () => {
    expect(tokens.filter((token) => !/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(token))).toEqual([]);
    for (const part of [
      tokens,
      tokens.map((token) => token.slice(0, 16)),
      tokens.map((token) => token.slice(-16)),
    ]) {
      expect(new Set(part).size).toBe(tokens.length);
    }
  });

  test("have every byte equally often, at each position and overall", () => {
    // With 255 degrees of freedom, random bytes exceed either bound less than once in 10^12 runs of this test.
    const counts = Array.from({ length: 33 }, () => new Array<number>(256).fill(0));
    for (const token of tokens) {
      for (const [place, byte] of Buffer.from(token, "base64url").entries()) {
        counts[place]![byte]!++;
        counts[32]![byte]!++;
      }
    }
    for (const [place, found] of counts.entries()) {
      const expected = (tokens.length * (place === 32 ? 32 : 1)) / 256;
      const chiSquare = found.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      expect(chiSquare).toBeLessThan(460);
      expect(chiSquare).toBeGreaterThan(120);
    }
  });

  test.each(DATABASES)("are stored as hashes: no issued token is in the database on %s", async (database) => {
    const app = await makeApp({ database });
    const issued = await issueEveryKind(app);
    const everything = await dump(app);
    for (const token of issued) {
      expect(everything).toContain(hashOpaqueToken(token));
      const bytes = Buffer.from(token, "base64url");
      for (const spelled of [token, bytes.toString("hex"), bytes.toString("base64")]) {
        expect(everything).not.toContain(spelled);
      }
    }
    if (app.config.database.kind === "sqlite") {
      const { file } = app.config.database;
      const bytes = Buffer.concat([readFileSync(file), readFileSync(`${file}-wal`)]);
      for (const token of issued) {
        expect(bytes.includes(hashOpaqueToken(token))).toBe(true);
        expect(bytes.includes(token)).toBe(false);
        expect(bytes.includes(Buffer.from(token, "base64url"))).toBe(false);
      }
    }
    await app.close();
  });
});

/** One of each kind that is stored, and a consumed one with its successor. */
async function issueEveryKind(app: App): Promise<string[]> {
  const { email } = await app.createUser("alice");
  const { accessToken: token, refreshToken } = await app.login("alice");
  const next = await app.send(REFRESH, { refreshToken });
  await app.send(REQUEST_PASSWORD_RESET, { email });
  const newEmail = "changed@example.com";
  await app.send(REQUEST_EMAIL_CHANGE, { newEmail }, { token });
  await app.send(REGISTER, { input: { username: "bob", email: "bob@example.com", password: PASSWORD } });
  const admin = { username: "admin", email: "admin@example.com", fullName: null, roles: ["ADMIN" as const] };
  await app.latchkey.operator.create(admin, PASSWORD);
  const invited = { username: "carol", email: "carol@example.com" };
  await app.send(CREATE_USER, { input: invited }, { token: (await app.login("admin")).accessToken });
  return [
    refreshToken,
    next.data!.refreshToken.refreshToken!,
    await emailedToken(app, email),
    await emailedToken(app, newEmail),
    await emailedToken(app, "bob@example.com"),
    await emailedToken(app, invited.email),
  ];
}

/** All rows of all tables, as text. */
async function dump({ latchkey: { db } }: App): Promise<string> {
  const tables = await db.introspection.getTables();
  const rows = tables.map(({ name }) =>
    db
      .selectFrom(name as "users")
      .selectAll()
      .execute(),
  );
  return JSON.stringify(await Promise.all(rows));
}
