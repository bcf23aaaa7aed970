import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { sql } from "kysely";
import { insertUser, lockUser } from "../../../src/storage/users.js";
import { UPDATE_USER } from "../../support/administration-operations.js";
import { type Answer, type App, makeApp, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { type MailServer, refusal, startMailServer } from "../../support/mail-server.js";
import {
  CONFIRM_EMAIL_CHANGE,
  DELETE_ACCOUNT,
  LOGIN,
  ME,
  REGISTER,
  REQUEST_EMAIL_CHANGE,
  REQUEST_EMAIL_VERIFICATION,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "../../support/operations.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const NEW_PASSWORD = "CANARY-another-fine-set-of-words";

/** A text as a reader sees it. */
const visible = (text: string) => text.replace(/\p{Default_Ignorable_Code_Point}/gu, "");
const tokensIn = (text: string) => [...text.matchAll(/token=([\w-]{43})$/gm)].map(([, token]) => token!);
const codeOf = ({ errors }: Answer<unknown>) => errors?.[0]?.extensions?.["code"];

describe.each(DATABASES)("emails about accounts on %s", (database) => {
  let server: MailServer;
  let app: App;
  let users = 0;
  let others: App[];
  beforeAll(async () => {
    server = await startMailServer();
    app = await makeApp({ database, env: { SMTP_URL: server.url } });
  });
  beforeEach(() => {
    others = [];
    // Whatever is counted by the hour begins anew.
    app.clock.advance(HOUR);
  });
  afterEach(async () => {
    behaveAgain();
    await app.latchkey.outbox.deliverDue();
    for (const other of others) await other.close();
  });
  afterAll(async () => {
    await app.close();
    await server.close();
  });

  /** Another process over the same database. */
  async function another(env: NodeJS.ProcessEnv = {}): Promise<App> {
    const { databaseUrl, clock } = app;
    const other = await makeApp({ databaseUrl, clock, env: { SMTP_URL: server.url, ...env } });
    others.push(other);
    return other;
  }
  /** What has arrived at an address, oldest first, with everything that is due sent. */
  async function emailsTo(address: string) {
    await app.latchkey.outbox.deliverDue();
    return server.received.filter(({ envelope }) => envelope.to[0] === address);
  }
  async function lastTo(address: string): Promise<string> {
    return visible((await emailsTo(address)).at(-1)?.text ?? "");
  }
  const newName = () => `user-${users++}`;
  async function register(username: string, email: string): Promise<void> {
    const { data } = await app.send(REGISTER, { input: { username, email, password: PASSWORD } });
    expect(data).toEqual({ register: { username, email } });
  }
  const login = (username: string) => app.send(LOGIN, { username, password: PASSWORD });
  const verify = (token: string) => app.send(VERIFY_EMAIL, { token });
  const reset = (token: string) => app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD });
  async function askForLink(email: string): Promise<void> {
    const { data } = await app.send(REQUEST_EMAIL_VERIFICATION, { email });
    expect(data).toEqual({ requestEmailVerification: true });
  }
  const askForReset = (email: string) => app.send(REQUEST_PASSWORD_RESET, { email });
  /** The mail server takes an email, and the connection is lost before it says so. */
  const takeWithoutAnswer = () => {
    const taken: string[] = [];
    server.behaviour.data = ({ text }) => {
      taken.push(text);
      throw refusal(421);
    };
    return taken;
  };
  const refuseAll = () => {
    server.behaviour.recipient = () => {
      throw refusal(450);
    };
  };
  const behaveAgain = () => {
    delete server.behaviour.data;
    delete server.behaviour.recipient;
  };
  /** The mail server works again, and what it refused is due. */
  const acceptAll = async () => {
    // What is being refused at this moment would be due later.
    await app.latchkey.outbox.deliverDue();
    behaveAgain();
    app.clock.advance(30 * SECOND);
  };
  const outboxOf = (email: string) =>
    app.latchkey.db.selectFrom("outbox").selectAll().where("email", "=", email).execute();
  const liveTokens = (userId: string) =>
    app.latchkey.db
      .selectFrom("one_time_tokens")
      .select("token_hash")
      .where("user_id", "=", userId)
      .where("used_at", "is", null)
      .where("expires_at", ">", app.clock.now())
      .execute();

  describe("to verify an address", () => {
    test.each([
      ["after", ["alice-1", "mallory-1"]],
      ["before", ["mallory-2", "alice-2"]],
    ])("a stranger who signs up with it %s its owner takes nothing", async (_when, names) => {
      const owner = names.find((name) => name.startsWith("alice"))!;
      const stranger = names.find((name) => name.startsWith("mallory"))!;
      const email = `${owner}@example.com`;
      for (const name of names) {
        await register(name, email);
        await app.latchkey.outbox.deliverDue();
      }
      // The strangers' request is as good as the owner's: both send the same.
      await askForLink(email);
      const text = await lastTo(email);
      const links = [...text.matchAll(/^Confirm for (\S+):\n\n\S+token=(\S{43})$/gm)];
      expect(links.map(([, name]) => name)).toEqual(names);
      const tokens = Object.fromEntries(links.map(([, name, token]) => [name, token!]));
      expect(text).toContain("Confirm only the one that you registered:");
      expect(text).toContain(
        "whoever registered it chose its password, and could then sign in with your email address.",
      );

      expect((await verify(tokens[owner]!)).data).toEqual({ verifyEmail: true });
      expect((await app.login(email)).user.username).toBe(owner);
      expect((await app.login(owner)).user.email).toBe(email);
      expect(codeOf(await verify(tokens[stranger]!))).toBe("INVALID_TOKEN");
      expect(codeOf(await login(stranger))).toBe("EMAIL_NOT_VERIFIED");
    });

    test("the email after a sign-up names every account that claims the address, and says whose password opens it", async () => {
      await register("zoe", "zoe@example.com");
      await app.latchkey.outbox.deliverDue();
      await register("yves", "zoe@example.com");
      const [first, second] = (await emailsTo("zoe@example.com")).map(({ text }) => visible(text));
      expect(first).toContain("Someone registered the username zoe with this email address.");
      expect(tokensIn(first!)).toHaveLength(1);
      expect(second).toContain("Confirm only the one that you registered:\n\nConfirm for zoe:\n\n");
      expect(second).toContain("\n\nConfirm for yves:\n\n");
      const [zoe, yves, ...more] = tokensIn(second!);
      expect(more).toEqual([]);
      for (const text of [first, second])
        expect(text).toContain(
          "whoever registered it chose its password, and could then sign in with your email address.",
        );
      // Only the latest link for a username works.
      expect(codeOf(await verify(tokensIn(first!)[0]!))).toBe("INVALID_TOKEN");
      expect((await verify(zoe!)).data).toEqual({ verifyEmail: true });
      expect((await app.login("zoe@example.com")).user.username).toBe("zoe");
      expect(codeOf(await verify(yves!))).toBe("INVALID_TOKEN");
    });

    test("names the 10 newest of many accounts and the others in turn, and none that is disabled", async () => {
      const email = "crowded@example.com";
      const { id: _id, ...template } = await app.createUser("crowd");
      const names = Array.from({ length: 32 }, (_, n) => `crowd-${n + 10}`);
      for (const [n, username] of names.entries()) {
        const disabledAt = n === 3 ? app.clock.now() : null;
        const id = `00000000-0000-7000-8000-0000000000${n + 10}`;
        await insertUser(app.latchkey.db, {
          ...template,
          id,
          username,
          email,
          emailVerifiedAt: null,
          disabledAt,
        });
      }
      const enabled = names.filter((_, n) => n !== 3);
      const newest = enabled.slice(-10);
      const others = enabled.slice(0, -10);
      for (const turn of [
        others.slice(0, 10),
        others.slice(10, 20),
        [...others.slice(0, 9), ...others.slice(20)],
      ]) {
        app.clock.advance(SECOND);
        await askForLink(email);
        const text = await lastTo(email);
        const named = [...text.matchAll(/^Confirm for (\S+):$/gm)].map(([, name]) => name);
        expect(named).toEqual([...turn, ...newest]);
        expect(new Set(tokensIn(text)).size).toBe(20);
        expect(text).toContain(
          "More usernames were registered with this email address than fit in one email.",
        );
      }
    });

    test("is not sent any more, nor a notice in its place, once the account has been verified otherwise", async () => {
      const email = "vouched@example.com";
      refuseAll();
      await register("vouched", email);
      await app.latchkey.outbox.deliverDue();
      app.clock.advance(1);
      await app.latchkey.operator.verify("vouched");
      await acceptAll();
      expect([await emailsTo(email), await outboxOf(email)]).toEqual([[], []]);
      await register("latecomer", email);
      expect((await emailsTo(email)).map(({ headers }) => headers["subject"])).toEqual([
        "You already have an account",
      ]);
    });

    test("is sent to nobody once the address is verified, for none of the accounts", async () => {
      const email = "settled@example.com";
      await register("settled", email);
      await register("settled-too", email);
      const [token] = tokensIn(await lastTo(email));
      expect((await verify(token!)).data).toEqual({ verifyEmail: true });
      await askForLink(email);
      expect(await emailsTo(email)).toHaveLength(2);
    });
  });

  describe("a link", () => {
    test("only the latest works, though two processes send several at once (row 42)", async () => {
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

    test("is the same at each try of one email, works though the first was taken, and is stored nowhere as it is", async () => {
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

    test("of two accounts is the same at each try too", async () => {
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

    test("that was used is not sent again, nor another in its place", async () => {
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

    test("that expired before the mail server was back is a new one", async () => {
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

    test("that expired takes the place of none that a later email has brought", async () => {
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

    test("that was stored under another SECRET_KEY is a new one", async () => {
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

    test("is not sent to a user who must not have it by then, nor later", async () => {
      const { db, outbox } = app.latchkey;
      const set = (id: string, values: { disabled_at?: number | null; email_verified_at?: number | null }) =>
        db.updateTable("users").set(values).where("id", "=", id).execute();
      const unverified = { email_verified_at: null };
      for (const [kind, spoilt, mended] of [
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
        await set(id, spoilt);
        await outbox.enqueue(
          db,
          kind === "PASSWORD_RESET" || kind === "EMAIL_VERIFICATION" || kind === "REGISTRATION"
            ? { kind, email }
            : { kind, email, userId: id },
        );
        expect([kind, spoilt, await emailsTo(email)]).toEqual([kind, spoilt, []]);
        await set(id, mended);
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
    ] as const)("for %s works until, and not at, %i ms after it was sent", async (kind, lifetime) => {
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

  describe("of what happened", () => {
    test("the old address is told of the new one, though the account is deleted at once", async () => {
      const username = newName();
      const { email } = await app.createUser(username);
      const newEmail = `new-${email}`;
      const { accessToken: token } = await app.login(username);
      await app.send(REQUEST_EMAIL_CHANGE, { newEmail, currentPassword: PASSWORD }, { token });
      const [change] = tokensIn(await lastTo(newEmail));
      refuseAll();
      await app.send(CONFIRM_EMAIL_CHANGE, { token: change! });
      await app.send(DELETE_ACCOUNT, { password: PASSWORD }, { token });
      await acceptAll();
      const warnings = await emailsTo(email);
      expect(warnings.map(({ headers }) => headers["subject"])).toEqual(["Your email address was changed"]);
      expect(await lastTo(email)).toContain(
        `Hello ${username},\n\nThe email address of your account is now ${newEmail}. `,
      );
      expect(await lastTo(newEmail)).toMatch(
        new RegExp(`^Hello ${username},\n\nYour account and everything that belonged to it were deleted`),
      );
    });

    test("each says what was true then, not what is true when it is sent", async () => {
      const username = newName();
      const { id, email } = await app.createUser(username);
      const admin = { username: newName(), email: "admin@example.com", fullName: null };
      await app.latchkey.operator.create({ ...admin, roles: ["ADMIN"] }, PASSWORD);
      const { accessToken: token } = await app.login(admin.username);
      refuseAll();
      await askForReset(email);
      for (const letter of ["b", "c"]) {
        const input = { username: `${username}-${letter}`, email: `${letter}-${email}` };
        expect((await app.send(UPDATE_USER, { id, input }, { token })).errors).toBeUndefined();
      }
      await acceptAll();
      const told = (await emailsTo(email)).map(({ text }) => visible(text).split("\n\n")[1]);
      expect(told).toEqual(
        expect.arrayContaining([
          expect.stringContaining(`It is now ${username}-b. `),
          expect.stringContaining(`is now b-${email}. `),
        ]),
      );
      expect(told).toHaveLength(2);
    });

    test("an email of a kind that this version does not know is kept, and given up after three days", async () => {
      const email = "future@example.com";
      const now = app.clock.now();
      const row = { id: "future", kind: "PASSKEY_ADDED", email, user_id: null, facts: "{}" };
      const { db, outbox } = app.latchkey;
      await db
        .insertInto("outbox")
        .values({ ...row, encrypted_tokens: null, created_at: now, next_attempt_at: now, attempts: 0 })
        .execute();
      const logged = () =>
        app.seen.filter((line) => line.includes("PASSKEY_ADDED")).map((line) => JSON.parse(line));
      await outbox.deliverDue();
      expect(await outboxOf(email)).toMatchObject([{ attempts: 1, next_attempt_at: now + 30 * SECOND }]);
      expect(logged()).toMatchObject([
        {
          email: { id: "future", kind: "PASSKEY_ADDED", outcome: "DELAYED" },
          err: { message: 'This version does not know the kind of email "PASSKEY_ADDED".' },
        },
      ]);
      app.clock.advance(72 * HOUR - 1);
      await outbox.deliverDue();
      expect(await outboxOf(email)).toHaveLength(1);
      app.clock.advance(HOUR);
      await outbox.deliverDue();
      expect(logged().at(-1)).toMatchObject({ email: { outcome: "GIVEN_UP" } });
      expect([await outboxOf(email), await emailsTo(email)]).toEqual([[], []]);
    });

    test("an email that lacks what it tells of is kept, and never sent with a gap", async () => {
      const email = "gap@example.com";
      const now = app.clock.now();
      const row = { id: "gap", kind: "EMAIL_CHANGED", email, user_id: null, facts: '{"username":"gap"}' };
      await app.latchkey.db
        .insertInto("outbox")
        .values({ ...row, encrypted_tokens: null, created_at: now, next_attempt_at: now, attempts: 0 })
        .execute();
      expect(await emailsTo(email)).toEqual([]);
      expect(await outboxOf(email)).toMatchObject([{ attempts: 1 }]);
      const logged = app.seen.filter((line) => line.includes('"id":"gap"')).map((line) => JSON.parse(line));
      expect(logged).toMatchObject([{ email: { kind: "EMAIL_CHANGED", outcome: "DELAYED" } }]);
      await app.latchkey.db.deleteFrom("outbox").where("id", "=", "gap").execute();
    });
  });

  test("a username cannot be a link in them, and logs in as it is copied out of one", async () => {
    const username = "www.evil.example";
    const email = "victim@example.com";
    await register(username, email);
    const [message] = await emailsTo(email);
    for (const part of [message!.text, message!.html]) {
      expect(visible(part)).toContain(username);
      expect(part).not.toMatch(/evil\.|\.evil|\.example\b(?!\.com)/);
    }
    const [, copied] = /registered the username (\S+) with/.exec(message!.text)!;
    expect(copied).not.toBe(username);
    expect(codeOf(await login(copied!))).toBe("EMAIL_NOT_VERIFIED");
    await verify(tokensIn(message!.text)[0]!);
    expect((await app.login(copied!)).user.username).toBe(username);
  });

  test("many requests for a new password change nothing of the account, and send few (row 43)", async () => {
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
    test("an email that is deleted under the user's lock, while it is composed, is not sent and leaves no token", async () => {
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
