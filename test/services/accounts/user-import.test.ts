import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import bcrypt from "bcrypt";
import { openUserFile } from "../../../src/cli/user-file.js";
import type { PrintedMailer } from "../../../src/email/printed.js";
import { lockUser, updateUser } from "../../../src/storage/users.js";
import { CREATE_USER, DISABLE_USER, USER } from "../../support/administration-operations.js";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { emailedToken } from "../../support/emails.js";
import {
  ACCEPT_INVITATION,
  LOGIN,
  REGISTER,
  REQUEST_EMAIL_VERIFICATION,
  VERIFY_EMAIL,
} from "../../support/operations.js";
import { auditEventsOf } from "../../support/tables.js";

const STRANGERS = `a stranger's ${PASSWORD}`;
const HASH = bcrypt.hashSync(PASSWORD, 4);
const directory = mkdtempSync(join(tmpdir(), "latchkey-"));

const record = (username: string, more: object = {}) => ({
  username,
  email: `${username}@example.com`,
  password_hash: HASH,
  ...more,
});

async function importFile(app: App, name: string, content: string | Buffer) {
  const file = join(directory, name);
  writeFileSync(file, content);
  return app.latchkey.userImport.import(openUserFile(file).lines, () => {});
}

const importRecords = (app: App, ...records: object[]) =>
  importFile(app, "users.jsonl", records.map((each) => `${JSON.stringify(each)}\n`).join(""));

async function usernamesOf(app: App): Promise<string[]> {
  const rows = await app.latchkey.db.selectFrom("users").select("username").orderBy("username").execute();
  return rows.map(({ username }) => username);
}

describe("a file of users", () => {
  let app: App;
  beforeEach(async () => {
    app = await makeApp();
  });
  afterEach(() => app.close());

  test.each([
    ["LF", "\n"],
    ["CRLF", "\r\n"],
    ["CR", "\r"],
  ])("may have lines that end in %s", async (_name, end) => {
    const csv = [
      "username,email,password_hash",
      `anna,anna@example.com,${HASH}`,
      "",
      "bad",
      `ben,ben@example.com,${HASH}`,
    ];
    const jsonl = [JSON.stringify(record("carl")), "", "bad", JSON.stringify(record("dora"))];
    expect([
      await importFile(app, "users.csv", csv.join(end)),
      await importFile(app, "users.jsonl", jsonl.join(end) + end),
    ]).toEqual([
      {
        created: 2,
        existing: 0,
        failed: [
          { line: 4, problem: "This line is not valid CSV, or does not have the columns of the first line." },
        ],
      },
      { created: 2, existing: 0, failed: [{ line: 3, problem: "This line is not a JSON object." }] },
    ]);
    expect(await usernamesOf(app)).toEqual(["anna", "ben", "carl", "dora"]);
  });

  test("is read correctly wherever a chunk of it ends", async () => {
    // The first 64 KB end within "é", between CR and LF, and right after both.
    for (const [n, cut] of [1, 2, 3].entries()) {
      const line = JSON.stringify(record(`user${n}`, { full_name: "é" })).replace('"}', '"}'.padEnd(80));
      const first = Buffer.from(`${line.trimEnd()}\r\n`);
      const before = first.length - first.indexOf("é");
      const padding = 65_536 - first.length + [before - 1, 1, 0][cut - 1]!;
      const content = Buffer.concat([
        Buffer.alloc(padding - 1, " "),
        Buffer.from("\n"),
        first,
        Buffer.from("bad"),
      ]);
      expect(await importFile(app, "users.jsonl", content)).toEqual({
        created: 1,
        existing: 0,
        failed: [{ line: 3, problem: "This line is not a JSON object." }],
      });
    }
    const names = await app.latchkey.db.selectFrom("users").select("full_name").distinct().execute();
    expect(names).toEqual([{ full_name: "é" }]);
  });

  test("has lines of at most 64 KB, and a longer one does not stop the import", async () => {
    const ofSize = (username: string, bytes: number) => {
      const text = JSON.stringify(record(username));
      return text + " ".repeat(bytes - text.length);
    };
    const lines = [
      ofSize("anna", 65_536),
      ofSize("ben", 65_537),
      "x".repeat(10_000_000),
      ofSize("carl", 200),
      ofSize("dora", 200_000),
    ];
    const tooLong = "This line is longer than 64 KB.";
    expect(await importFile(app, "users.jsonl", lines.join("\n"))).toEqual({
      created: 2,
      existing: 0,
      failed: [2, 3, 5].map((line) => ({ line, problem: tooLong })),
    });
    expect(await usernamesOf(app)).toEqual(["anna", "carl"]);
  });

  test("contains strings and booleans, and any other value fails its line", async () => {
    // Written as text, because JSON.stringify would overflow the stack.
    const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
    const odd = [
      '{"toString":1}',
      '{"toString":"x"}',
      '{"valueOf":null}',
      nested(9_000),
      nested(30_000),
      "[]",
      '["x"]',
      "{}",
    ];
    const notText = [...odd, "7", "true", "false"];
    const notFlags = [...odd, "2", "-1", "0.5", '"maybe"', '"null"', "[true]", '["1"]'];
    const lineWith = (field: string, json: string) =>
      JSON.stringify(record("odd", { [field]: "HERE" })).replace('"HERE"', json);
    const lines = [
      ...["username", "email", "full_name", "password_hash"].flatMap((field) =>
        notText.map((json) => lineWith(field, json)),
      ),
      ...notFlags.map((json) => lineWith("disabled", json)),
    ];
    const problems = [
      ...["username", "email", "full_name", "password_hash"].flatMap((field) =>
        Array(notText.length).fill(`Invalid input: ${field} must be text.`),
      ),
      ...Array(notFlags.length).fill("Invalid input: disabled must be true or false."),
    ];
    expect(await importFile(app, "users.jsonl", lines.join("\n"))).toEqual({
      created: 0,
      existing: 0,
      failed: problems.map((problem, n) => ({ line: n + 1, problem })),
    });
  });

  test("states in any of the usual ways whether a user is disabled", async () => {
    const enabled = [undefined, null, "", false, 0, "0", "false", "F"];
    const disabled = [true, 1, "1", "true", "T"];
    const all = [...enabled, ...disabled];
    expect(await importRecords(app, ...all.map((disabled, n) => record(`user${n}`, { disabled })))).toEqual({
      created: all.length,
      existing: 0,
      failed: [],
    });
    const rows = await app.latchkey.db
      .selectFrom("users")
      .select("username")
      .where("disabled_at", "is not", null)
      .execute();
    expect(rows.map(({ username }) => username).sort()).toEqual(
      disabled.map((_, n) => `user${enabled.length + n}`).sort(),
    );
  });
});

describe.each(DATABASES)("an import on %s owns the addresses in it", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  const signUp = async (username: string, email: string) => {
    const { data } = await app.send(REGISTER, { input: { username, email, password: STRANGERS } });
    expect(data?.register).toBeTruthy();
    const token = await emailedToken(app, email);
    const { id } = await app.latchkey.operator.get(username);
    return { id, token };
  };
  const codeOf = async (answer: ReturnType<App["send"]>) => (await answer).errors?.[0]?.extensions?.["code"];
  const loginCode = (username: string, password: string) => codeOf(app.send(LOGIN, { username, password }));
  const verifyCode = (token: string) => codeOf(app.send(VERIFY_EMAIL, { token }));
  const created = { created: 1, existing: 0, failed: [] };
  const existing = { created: 0, existing: 1, failed: [] };
  const failed = (problem: string) => ({ created: 0, existing: 0, failed: [{ line: 1, problem }] });

  test("a stranger's unverified sign-up is replaced, and the stranger's credentials and tokens no longer work", async () => {
    const stranger = await signUp("anna", "anna@example.com");
    expect(await loginCode("anna", STRANGERS)).toBe("EMAIL_NOT_VERIFIED");
    expect(await importRecords(app, record("Anna", { full_name: "Anna" }))).toEqual(created);

    expect(await loginCode("anna", STRANGERS)).toBe("INVALID_CREDENTIALS");
    expect(await loginCode("anna@example.com", STRANGERS)).toBe("INVALID_CREDENTIALS");
    expect(await verifyCode(stranger.token)).toBe("INVALID_TOKEN");
    const { user } = await app.login("anna");
    expect(user).toMatchObject({ fullName: "Anna", email: "anna@example.com" });
    expect(user.id).not.toBe(stranger.id);
    const { db } = app.latchkey;
    expect((await auditEventsOf(db, stranger.id)).at(-1)).toEqual({
      type: "ACCOUNT_DELETED",
      actorId: null,
      sessionId: null,
      details: { username: "anna", imported: true },
    });
    for (const table of ["credentials", "one_time_tokens"] as const) {
      const left = db.selectFrom(table).select("user_id").where("user_id", "=", stranger.id);
      expect(await left.execute()).toEqual([]);
    }
    expect(await importRecords(app, record("anna"))).toEqual(existing);
  });

  test("a sign-up with the address under another name can never be verified", async () => {
    const stranger = await signUp("impostor", "ben@example.com");
    expect(await importRecords(app, record("ben"))).toEqual(created);
    expect(await verifyCode(stranger.token)).toBe("INVALID_TOKEN");
    const { outbox, mailer } = app.latchkey;
    const before = (mailer as PrintedMailer).emails.length;
    await app.send(REQUEST_EMAIL_VERIFICATION, { email: "ben@example.com" });
    await outbox.deliverDue();
    expect((mailer as PrintedMailer).emails).toHaveLength(before);
    expect(await loginCode("impostor", STRANGERS)).toBe("EMAIL_NOT_VERIFIED");
    expect(await loginCode("ben@example.com", STRANGERS)).toBe("INVALID_CREDENTIALS");
    expect((await app.login("ben@example.com")).user.username).toBe("ben");
  });

  test("a username that is taken with another address is a failure, verified or not", async () => {
    const stranger = await signUp("carl", "stranger@example.com");
    const taken = failed("This username is already in use.");
    expect(await importRecords(app, record("carl"))).toEqual(taken);
    expect(await verifyCode(stranger.token)).toBeUndefined();
    expect(await importRecords(app, record("carl"))).toEqual(taken);
    await app.login("carl", STRANGERS);
  });

  test("an account that has verified the address keeps it, with its password", async () => {
    const { token } = await signUp("dora", "dora@example.com");
    expect(await verifyCode(token)).toBeUndefined();
    expect(await importRecords(app, record("dora"))).toEqual(existing);
    await app.login("dora", STRANGERS);
    expect(await loginCode("dora", PASSWORD)).toBe("INVALID_CREDENTIALS");

    const claim = await claimOf("emil", "dora@example.com");
    expect(await importRecords(app, record("emil", { email: "dora@example.com" }))).toEqual(
      failed("This email is already in use."),
    );
    expect((await app.latchkey.operator.get("emil")).id).toBe(claim);
  });

  test("an account that verifies the address while the import runs already exists", async () => {
    const { id } = await signUp("fred", "fred@example.com");
    const { clock } = app;
    let imported: Promise<unknown> | undefined;
    await app.latchkey.db.transaction().execute(async (transaction) => {
      await lockUser(transaction, id);
      imported = importRecords(app, record("fred"));
      // By now it waits for the lock, or in the queue.
      await setTimeout(300);
      await updateUser(transaction, id, { emailVerifiedAt: clock.now() }, clock.now());
    });
    expect(await imported).toEqual(existing);
    await app.login("fred", STRANGERS);
  });

  describe("an invited account", () => {
    let admin: { token: string };
    let invited: number;
    beforeAll(async () => {
      const account = {
        username: "root",
        email: "root@example.com",
        fullName: null,
        roles: ["ADMIN"] as const,
      };
      await app.latchkey.operator.create(account, PASSWORD);
      admin = { token: (await app.login("root")).accessToken };
      invited = 0;
    });
    async function invite() {
      const username = `invited-${invited++}`;
      const input = {
        username,
        email: `${username}@example.com`,
        fullName: "As Invited",
        roles: ["ADMIN" as const],
      };
      const { data } = await app.send(CREATE_USER, { input }, admin);
      return { ...input, id: data!.createUser.id, token: await emailedToken(app, input.email) };
    }
    const accept = (token: string) => codeOf(app.send(ACCEPT_INVITATION, { token, password: STRANGERS }));

    test("gets the imported password, and keeps its id and the roles that an administrator set", async () => {
      const { id, username, token } = await invite();
      expect(await importRecords(app, record(username))).toEqual(created);
      const { user } = await app.login(username);
      expect(user).toMatchObject({
        id,
        roles: ["USER", "ADMIN"],
        emailVerified: true,
        fullName: "As Invited",
      });
      expect((await auditEventsOf(app.latchkey.db, id)).at(-2)).toEqual({
        type: "USER_UPDATED",
        actorId: null,
        sessionId: null,
        details: { changed: ["password"], imported: true },
      });
      // Otherwise the invitation could set another password.
      expect(await accept(token)).toBe("INVALID_TOKEN");
      expect(await importRecords(app, record(username))).toEqual(existing);
    });

    test("is disabled, and renamed, if the file says so", async () => {
      const { id, username } = await invite();
      expect(
        await importRecords(app, record(username, { full_name: "As Imported", disabled: true })),
      ).toEqual(created);
      expect((await app.send(USER, { id }, admin)).data?.user).toMatchObject({
        fullName: "As Imported",
        disabled: true,
      });
      expect(await loginCode(username, PASSWORD)).toBe("ACCOUNT_DISABLED");
    });

    test("that was disabled stays disabled: its line fails, like that of a disabled sign-up", async () => {
      const { id, username } = await invite();
      const { id: registered } = await signUp("gina", "gina@example.com");
      for (const [user, name] of [
        [id, username],
        [registered, "gina"],
      ] as const) {
        await app.send(DISABLE_USER, { id: user }, admin);
        expect(await importRecords(app, record(name))).toEqual(
          failed("This account is disabled. Enable it first, or leave it out of the file."),
        );
        expect((await app.send(USER, { id: user }, admin)).data?.user).toMatchObject({
          disabled: true,
          emailVerified: false,
        });
        expect(await loginCode(name, PASSWORD)).toBe("INVALID_CREDENTIALS");
      }
    });
  });

  /** Creates an unverified account without sending an email, so that its address receives only what the test sends. */
  async function claimOf(username: string, email: string): Promise<string> {
    await app.send(REGISTER, { input: { username, email, password: STRANGERS } });
    return (await app.latchkey.operator.get(username)).id;
  }
});
