import { describe, expect, test } from "@jest/globals";
import { sql } from "kysely";
import { HOUR, MINUTE, SECOND } from "../../../src/clock.js";
import { lockUser } from "../../../src/storage/users.js";
import { accountEmails, tokensIn } from "../../support/account-emails.js";
import { codeOf } from "../../support/answers.js";
import { type App, NEW_PASSWORD } from "../../support/app.js";
import { closingAfterEach } from "../../support/closing.js";
import { DATABASES } from "../../support/databases.js";
import { ME, REQUEST_PASSWORD_RESET } from "../../support/operations.js";

describe.each(DATABASES)("emails about accounts on %s", (database) => {
  let app: App;
  const {
    acceptAll,
    askForLink,
    askForReset,
    behaveAgain,
    emailsTo,
    lastTo,
    liveTokens,
    newName,
    outboxOf,
    register,
    reset,
    takeWithoutAnswer,
    verify,
  } = accountEmails(database, (started) => {
    app = started;
  });

  const start = closingAfterEach();
  /** Starts another process on the same database. */
  function another(env: NodeJS.ProcessEnv = {}): Promise<App> {
    const { databaseUrl, clock, config } = app;
    return start({ databaseUrl, clock, env: { SMTP_URL: config.smtpUrl, ...env } });
  }

  describe("a link", () => {
    test("only the latest works, even if two processes send several concurrently (row 42)", async () => {
      const other = await another();
      for (let round = 0; round < 5; round++) {
        const { id, email } = await app.createUser(newName());
        for (let n = 0; n < 4; n++)
          await app.latchkey.outbox.enqueue(app.latchkey.db, { kind: "PASSWORD_RESET", email });
        await Promise.all([app.latchkey.outbox.deliverDue(), other.latchkey.outbox.deliverDue()]);
        const tokens = (await emailsTo(email)).flatMap(({ text }) => tokensIn(text));
        expect(new Set(tokens).size).toBe(4);
        expect(await liveTokens(id)).toHaveLength(1);
      }
    });

    test("is the same in each attempt to send an email, works even if the first attempt arrived, and is never stored in plain text", async () => {
      const email = "twice@example.com";
      const taken = takeWithoutAnswer();
      await register("twice", email);
      await app.latchkey.outbox.deliverDue();
      const [token] = tokensIn(taken[0]!);
      expect(await outboxOf(email)).toMatchObject([
        { attempts: 1, encrypted_tokens: expect.stringMatching(/^[\w-]{80,}$/) },
      ]);
      const { db } = app.latchkey;
      for (const { name } of await db.introspection.getTables()) {
        const { rows } = await sql`select * from ${sql.table(name)}`.execute(db);
        expect(JSON.stringify(rows)).not.toContain(token);
      }
      app.clock.advance(30 * SECOND);
      await app.latchkey.outbox.deliverDue();
      await acceptAll();
      app.clock.advance(MINUTE);
      expect([...taken, await lastTo(email)].flatMap(tokensIn)).toEqual([token, token, token]);
      expect(await outboxOf(email)).toEqual([]);
      expect((await verify(token!)).data).toEqual({ verifyEmail: true });
    });

    test("for each of two accounts is the same in each attempt too", async () => {
      const email = "both@example.com";
      await register("both-1", email);
      await register("both-2", email);
      expect(await emailsTo(email)).toHaveLength(2);
      const taken = takeWithoutAnswer();
      await askForLink(email);
      await app.latchkey.outbox.deliverDue();
      await acceptAll();
      const tokens = tokensIn(taken[0]!);
      expect(new Set(tokens).size).toBe(2);
      expect(tokensIn(await lastTo(email))).toEqual(tokens);
    });

    test("that a later email has replaced is not sent again", async () => {
      const { email } = await app.createUser(newName());
      const taken = takeWithoutAnswer();
      await askForReset(email);
      await app.latchkey.outbox.deliverDue();
      expect(taken).toHaveLength(1);
      behaveAgain();
      await askForReset(email);
      const [latest, ...more] = await emailsTo(email);
      app.clock.advance(30 * SECOND);
      expect([more, await emailsTo(email)]).toEqual([[], [latest]]);
      expect(await outboxOf(email)).toEqual([]);
      expect(codeOf(await reset(tokensIn(taken[0]!)[0]!))).toBe("INVALID_TOKEN");
      expect((await reset(tokensIn(latest!.text)[0]!)).data).toEqual({ resetPassword: true });
    });

    test("that was used is neither sent again nor replaced", async () => {
      const { id, email } = await app.createUser(newName());
      const taken = takeWithoutAnswer();
      await askForReset(email);
      await app.latchkey.outbox.deliverDue();
      expect((await reset(tokensIn(taken[0]!)[0]!)).data).toEqual({ resetPassword: true });
      await acceptAll();
      expect((await emailsTo(email)).map(({ headers }) => headers["subject"])).toEqual([
        "Your password was changed",
      ]);
      expect(await liveTokens(id)).toEqual([]);
    });

    test("that expired before the mail server was back is replaced by a new one", async () => {
      const { email } = await app.createUser(newName());
      const taken = takeWithoutAnswer();
      await askForReset(email);
      await app.latchkey.outbox.deliverDue();
      app.clock.advance(10 * MINUTE);
      await acceptAll();
      const tokens = [...taken, await lastTo(email)].flatMap(tokensIn);
      expect(new Set(tokens).size).toBe(tokens.length);
      expect(codeOf(await reset(tokens[0]!))).toBe("INVALID_TOKEN");
      expect((await reset(tokens.at(-1)!)).data).toEqual({ resetPassword: true });
    });

    test("that expired does not replace the one in a later email", async () => {
      const { id, email } = await app.createUser(newName());
      takeWithoutAnswer();
      await askForReset(email);
      await app.latchkey.outbox.deliverDue();
      behaveAgain();
      await app.latchkey.db
        .updateTable("outbox")
        .set({ next_attempt_at: app.clock.now() + 11 * MINUTE })
        .where("email", "=", email)
        .execute();
      app.clock.advance(9 * MINUTE);
      await askForReset(email);
      const [later] = await emailsTo(email);
      app.clock.advance(2 * MINUTE);
      expect(await emailsTo(email)).toEqual([later]);
      expect([await outboxOf(email), (await liveTokens(id)).length]).toEqual([[], 1]);
      expect((await reset(tokensIn(later!.text)[0]!)).data).toEqual({ resetPassword: true });
    });

    test("that was encrypted under another SECRET_KEY is replaced by a new one", async () => {
      const email = "rekeyed@example.com";
      const taken = takeWithoutAnswer();
      await register("rekeyed", email);
      await app.latchkey.outbox.deliverDue();
      const other = await another({ SECRET_KEY: "another secret key, also only for tests" });
      await acceptAll();
      await other.latchkey.outbox.deliverDue();
      const tokens = [...taken, await lastTo(email)].flatMap(tokensIn);
      expect(new Set(tokens).size).toBe(2);
      expect(codeOf(await verify(tokens[0]!))).toBe("INVALID_TOKEN");
      expect((await verify(tokens[1]!)).data).toEqual({ verifyEmail: true });
    });

    test("is not sent to a user who may no longer receive it, even if they may again later", async () => {
      const { db, outbox } = app.latchkey;
      const set = (id: string, values: { disabled_at?: number | null; email_verified_at?: number | null }) =>
        db.updateTable("users").set(values).where("id", "=", id).execute();
      const unverified = { email_verified_at: null };
      for (const [kind, prevented, allowed] of [
        ["PASSWORD_RESET", { disabled_at: 1 }, { disabled_at: null }],
        ["EMAIL_VERIFICATION", { ...unverified, disabled_at: 1 }, { disabled_at: null }],
        ["EMAIL_VERIFICATION", { email_verified_at: 1 }, unverified],
        ["REGISTRATION", { ...unverified, disabled_at: 1 }, { disabled_at: null }],
        ["INVITATION", { ...unverified, disabled_at: 1 }, { disabled_at: null }],
        ["INVITATION", { email_verified_at: 1 }, unverified],
        ["EMAIL_CHANGE", { disabled_at: 1 }, { disabled_at: null }],
      ] as const) {
        const { id, email: own } = await app.createUser(newName());
        const email = kind === "EMAIL_CHANGE" ? `new-${own}` : own;
        await set(id, prevented);
        await outbox.enqueue(
          db,
          kind === "PASSWORD_RESET" || kind === "EMAIL_VERIFICATION" || kind === "REGISTRATION"
            ? { kind, email }
            : { kind, email, userId: id },
        );
        expect([kind, prevented, await emailsTo(email)]).toEqual([kind, prevented, []]);
        await set(id, allowed);
        app.clock.advance(HOUR);
        expect([kind, await emailsTo(email), await liveTokens(id)]).toEqual([kind, [], []]);
      }
    });

    test.each(["INVITATION", "EMAIL_CHANGE"] as const)(
      "for %s is not sent once another account has verified the address",
      async (kind) => {
        const { id, email: own } = await app.createUser(newName());
        const { email } = await app.createUser(newName());
        const { db, outbox } = app.latchkey;
        const values = kind === "INVITATION" ? { email, email_verified_at: null } : { email: own };
        await db.updateTable("users").set(values).where("id", "=", id).execute();
        await outbox.enqueue(db, { kind, email, userId: id });
        expect([await emailsTo(email), await liveTokens(id)]).toEqual([[], []]);
      },
    );

    test.each([
      ["EMAIL_VERIFICATION", 24 * HOUR],
      ["EMAIL_CHANGE", 24 * HOUR],
      ["PASSWORD_RESET", 10 * MINUTE],
      ["INVITATION", 7 * 24 * HOUR],
    ] as const)("for %s works for less than %i ms after it was sent", async (kind, lifetime) => {
      const operation = {
        EMAIL_VERIFICATION: "verifyEmail",
        EMAIL_CHANGE: "confirmEmailChange",
        PASSWORD_RESET: "resetPassword",
        INVITATION: "acceptInvitation",
      }[kind];
      for (const [early, outcome] of [
        [1, undefined],
        [0, "INVALID_TOKEN"],
      ] as const) {
        const { id, email } = await app.createUser(newName());
        const verified = kind === "EMAIL_CHANGE" || kind === "PASSWORD_RESET";
        const { db, outbox } = app.latchkey;
        if (kind === "INVITATION") await db.deleteFrom("credentials").where("user_id", "=", id).execute();
        if (!verified)
          await db.updateTable("users").set({ email_verified_at: null }).where("id", "=", id).execute();
        const to = kind === "EMAIL_CHANGE" ? `new-${email}` : email;
        await outbox.enqueue(
          db,
          kind === "EMAIL_CHANGE" || kind === "INVITATION"
            ? { kind, email: to, userId: id }
            : { kind, email: to },
        );
        const [token] = tokensIn(await lastTo(to));
        app.clock.advance(lifetime - early);
        const password = { resetPassword: "newPassword", acceptInvitation: "password" }[operation as string];
        const answer = await app.post({
          query: `mutation ($token: String!${password ? ", $password: String!" : ""}) {
            ${operation}(token: $token${password ? `, ${password}: $password` : ""})
          }`,
          variables: { token, ...(password && { password: NEW_PASSWORD }) },
        });
        expect([early, codeOf(answer)]).toEqual([early, outcome]);
      }
    });
  });

  test("many requests for a new password do not change the account, and send few emails (row 43)", async () => {
    const username = newName();
    const { id, email } = await app.createUser(username);
    const { accessToken: token } = await app.login(username);
    const account = async () => {
      const { db } = app.latchkey;
      return [
        await db.selectFrom("users").selectAll().where("id", "=", id).execute(),
        await db.selectFrom("credentials").selectAll().where("user_id", "=", id).execute(),
        await db.selectFrom("sessions").selectAll().where("user_id", "=", id).execute(),
      ];
    };
    const before = await account();
    for (let n = 0; n < 100; n++) {
      await app.send(REQUEST_PASSWORD_RESET, { email }, { from: `198.51.100.${n}` });
    }
    const emails = await emailsTo(email);
    expect(emails.length).toBeGreaterThan(0);
    expect(emails.length).toBeLessThanOrEqual(10);
    expect(await liveTokens(id)).toHaveLength(1);
    expect(await account()).toEqual(before);
    expect((await app.send(ME, {}, { token })).data?.me.username).toBe(username);
    expect((await app.login(username)).user.username).toBe(username);
  });

  if (database === "postgres") {
    test("an email that is deleted under the user's lock while it is composed is not sent, and leaves no token", async () => {
      const { id, email } = await app.createUser(newName());
      const { db, outbox } = app.latchkey;
      await outbox.enqueue(db, { kind: "PASSWORD_RESET", email });
      let delivered: Promise<void> | undefined;
      await db.transaction().execute(async (transaction) => {
        await lockUser(transaction, id);
        delivered = outbox.deliverDue();
        const deadline = performance.now() + 5 * SECOND;
        for (let waiting = 0n; waiting === 0n; ) {
          if (performance.now() > deadline) throw new Error("the email does not wait for the user's lock");
          const { rows } = await sql<{ count: string }>`
            select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
            db,
          );
          waiting = BigInt(rows[0]!.count);
        }
        await transaction.deleteFrom("outbox").where("email", "=", email).execute();
      });
      await delivered;
      expect([await emailsTo(email), await liveTokens(id)]).toEqual([[], []]);
    });
  }
});
