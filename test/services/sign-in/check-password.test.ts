import { afterEach, describe, expect, test } from "@jest/globals";
import { sql } from "kysely";
import { MINUTE } from "../../../src/clock.js";
import type { Answer, App } from "../../support/app.js";
import { PASSWORD } from "../../support/app.js";
import { closingAfterEach } from "../../support/closing.js";
import { DATABASES } from "../../support/databases.js";
import { hold } from "../../support/held.js";
import { CHANGE_PASSWORD, LOGIN, REQUEST_EMAIL_CHANGE } from "../../support/operations.js";

const WRONG = "CANARY-wrong";
const from = "192.0.2.1";

const makeApp = closingAfterEach();
const codeOf = ({ errors }: Answer<unknown>) => errors?.[0]?.extensions?.["code"] ?? "OK";
const login = async (app: App, password: string, username = "owner") =>
  codeOf(await app.send(LOGIN, { username, password }, { from }));
/** Returns the counts above zero, by the name of their limit. */
const counts = async (app: App) => {
  const rows = await app.latchkey.db.selectFrom("attempts").selectAll().where("count", ">", 0).execute();
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
};
const ONCE = { PASSWORD_PAIR: 1, PASSWORD_NETWORK: 1, PASSWORD_ACCOUNT: 1 };

describe.each(DATABASES)("an attempt at a password on %s", (database) => {
  /** Renames a table, so that statements about it fail. */
  const rename = (app: App, table: string, to: string) =>
    sql`alter table ${sql.table(table)} rename to ${sql.table(to)}`.execute(app.latchkey.db);

  test("does not count if the password is correct and the login fails for another reason (row 16)", async () => {
    const app = await makeApp({ database });
    await app.createUser("owner");
    for (let n = 0; n < 7; n++) {
      // Only 5 are accepted in a row, so the last two wait.
      if (n >= 5) app.clock.advance(MINUTE);
      expect(await login(app, WRONG)).toBe("INVALID_CREDENTIALS");
    }
    app.clock.advance(MINUTE);
    const before = await counts(app);
    await rename(app, "sessions", "gone");
    for (let n = 0; n < 3; n++) expect(await login(app, PASSWORD)).toBe("INTERNAL_SERVER_ERROR");
    expect(await counts(app)).toEqual(before);
    // Wrong passwords still count meanwhile.
    expect(await login(app, WRONG)).toBe("INVALID_CREDENTIALS");
    expect(await login(app, WRONG)).toBe("RATE_LIMITED");
    expect((await counts(app))["PASSWORD_PAIR"]).toBe(before["PASSWORD_PAIR"]! + 1);
    await rename(app, "gone", "sessions");
    app.clock.advance(MINUTE);
    expect(await login(app, PASSWORD)).toBe("OK");
    expect((await counts(app))["PASSWORD_PAIR"]).toBeUndefined();
  });

  test("counts if the password is wrong, whatever fails afterwards", async () => {
    const app = await makeApp({ database });
    await app.createUser("owner");
    await rename(app, "audit_events", "gone");
    expect(await login(app, WRONG)).toBe("INTERNAL_SERVER_ERROR");
    expect(await counts(app)).toEqual(ONCE);
    await rename(app, "gone", "audit_events");
  });

  test("counts if the password is correct and the account disabled or unverified", async () => {
    const app = await makeApp({ database });
    await app.createUser("owner");
    await app.latchkey.operator.disable("owner");
    expect(await login(app, PASSWORD)).toBe("ACCOUNT_DISABLED");
    expect(await counts(app)).toEqual(ONCE);
    await app.latchkey.operator.enable("owner");
    await app.latchkey.db.updateTable("users").set({ email_verified_at: null }).execute();
    expect(await login(app, PASSWORD)).toBe("EMAIL_NOT_VERIFIED");
    expect((await counts(app))["PASSWORD_PAIR"]).toBe(2);
  });

  test("does not count if the queue is full", async () => {
    const app = await makeApp({ database, config: { bcryptCost: 12 } });
    const { id } = await app.createUser("owner");
    const holder = { caller: { ipAddress: from, userAgent: null }, account: id, known: false };
    let leave = () => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const others = Array.from({ length: 100 }, () =>
      app.latchkey.passwordQueue.withSlot(holder, () => left).catch(() => {}),
    );
    try {
      expect(await login(app, PASSWORD)).toBe("OVERLOADED");
    } finally {
      leave();
      await Promise.all(others);
    }
    expect(await counts(app)).toEqual({});
  });

  test("does not count if a signed-in user's password is correct and the operation fails", async () => {
    const app = await makeApp({ database });
    await app.createUser("owner");
    const { accessToken: token } = await app.login("owner");
    const change = async (newPassword: string) =>
      codeOf(await app.send(CHANGE_PASSWORD, { currentPassword: PASSWORD, newPassword }, { token, from }));
    for (let n = 0; n < 6; n++) expect(await change(n % 2 ? "short" : PASSWORD)).toBe("BAD_USER_INPUT");
    await rename(app, "outbox", "gone");
    for (let n = 0; n < 6; n++) {
      const ask = { newEmail: "new@example.com" };
      expect(codeOf(await app.send(REQUEST_EMAIL_CHANGE, ask, { token, from }))).toBe(
        "INTERNAL_SERVER_ERROR",
      );
      expect(await change("seven brown kettles sleeping")).toBe("INTERNAL_SERVER_ERROR");
    }
    await rename(app, "gone", "outbox");
    expect(await counts(app)).toEqual({ EMAIL_NETWORK: 6 });
    expect(await change("seven brown kettles sleeping")).toBe("OK");
  });
});

describe("an attempt at a password while the user's row is locked, on postgres", () => {
  let held: Awaited<ReturnType<typeof hold>> | undefined;
  afterEach(async () => held?.commit());

  test("does not count if the answer is SERVICE_UNAVAILABLE", async () => {
    const app = await makeApp({ database: "postgres" });
    const { id } = await app.createUser("owner");
    held = await hold(app, [`update users set updated_at = updated_at where id = '${id}'`]);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => login(app, PASSWORD)));
    await held.commit();
    expect(outcomes).toEqual(Array(5).fill("SERVICE_UNAVAILABLE"));
    expect(await counts(app)).toEqual({});
    expect(await login(app, PASSWORD)).toBe("OK");
  });
});
