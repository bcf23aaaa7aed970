import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import decodeQR from "qr/decode.js";
import type { AuditEventType } from "../../../src/storage/audit.js";
import { RESET_MFA } from "../../support/administration-operations.js";
import { errorOf, outcomeOf } from "../../support/answers.js";
import { type Answer, type App, makeApp } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import {
  CONFIRM_TOTP,
  DISABLE_TOTP,
  ME,
  MY_MFA,
  REGENERATE_RECOVERY_CODES,
  START_TOTP,
} from "../../support/operations.js";
import { printedEmailsTo, signInWithCode, signInWithRecoveryCode } from "../../support/second-factors.js";
import { auditEventsOf } from "../../support/tables.js";
import { challengeFor, enrollTotp, makeMfaUser, totpCode } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

const WRONG_CODE = {
  message: "The code is wrong, or was used already.",
  extensions: { code: "INVALID_CREDENTIALS" },
};
const NOTHING_TO_CONFIRM = {
  message: "There is no authenticator app to confirm. Start with `startTotpEnrollment`.",
  extensions: { code: "NOT_FOUND" },
};

async function startTotp(app: App, token: string) {
  const { data } = await app.send(START_TOTP, {}, { token });
  return data!.startTotpEnrollment;
}

const codeNow = (app: App, secret: string) => totpCode(secret, app.clock.now());

describe.each(DATABASES)("an authenticator app on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  const confirm = (token: string, secret: string) =>
    app.send(CONFIRM_TOTP, { code: codeNow(app, secret) }, { token });

  test("is no second factor before it is confirmed, and starting again replaces its secret", async () => {
    const { username, token } = await makeUser(app);
    expect(errorOf(await app.send(CONFIRM_TOTP, { code: "123456" }, { token }))).toEqual(NOTHING_TO_CONFIRM);
    const first = await startTotp(app, token);
    const second = await startTotp(app, token);
    expect(first.secret).not.toBe(second.secret);
    expect((await app.login(username)).user.username).toBe(username);
    expect((await app.send(MY_MFA, {}, { token })).data?.myMfa).toEqual({
      enabled: false,
      totp: false,
      passkeys: 0,
      recoveryCodesLeft: 0,
    });
    const old = await confirm(token, first.secret);
    expect([old.status, errorOf(old)]).toEqual([401, WRONG_CODE]);
    expect((await confirm(token, second.secret)).data?.confirmTotpEnrollment).toHaveLength(10);
    app.clock.advance(30_000);
    expect(errorOf(await confirm(token, second.secret))).toEqual(NOTHING_TO_CONFIRM);
    const again = await app.send(START_TOTP, {}, { token });
    expect(errorOf(again)).toEqual({
      message: "You have an authenticator app already. Remove it first.",
      extensions: { code: "CONFLICT", field: "totp" },
    });
    expect(await signInWithCode(app, username, codeNow(app, second.secret))).toBe("OK");
  });

  test("is confirmed by one of two simultaneous requests, which alone gets the recovery codes", async () => {
    const { id, username, token } = await makeUser(app);
    const { secret } = await startTotp(app, token);
    const answers = await Promise.all([confirm(token, secret), confirm(token, secret)]);
    expect(answers.map(outcomeOf).sort()).toEqual(["NOT_FOUND", "OK"]);
    const codes = answers.flatMap(({ data }) => data?.confirmTotpEnrollment ?? []);
    expect(codes).toHaveLength(10);
    const events = await auditEventsOf(app.latchkey.db, id);
    expect(events.filter(({ type }) => type === "TOTP_ENABLED")).toHaveLength(1);
    expect(await signInWithRecoveryCode(app, username, codes[0]!)).toBe("OK");
  });

  test("that is removed leaves an account that its password signs in, and can be added again", async () => {
    const { username, token, code } = await makeMfaUser(app);
    const old = code();
    expect((await app.send(DISABLE_TOTP, {}, { token })).data).toEqual({ disableTotp: true });
    expect((await app.login(username)).user.username).toBe(username);
    const next = await enrollTotp(app, token);
    expect(await signInWithCode(app, username, old)).toBe("INVALID_CREDENTIALS");
    expect(await signInWithCode(app, username, next.code())).toBe("OK");
  });

  interface Changed {
    user: Awaited<ReturnType<typeof makeMfaUser>>;
    adminToken: string;
  }
  const CHANGES: Record<
    string,
    {
      change: (changed: Changed) => Promise<Answer<unknown> | undefined>;
      type: AuditEventType;
      text: string;
      by: "user" | "administrator" | "nobody";
      methods: string;
    }
  > = {
    "new recovery codes": {
      change: ({ user: { token } }) => app.send(REGENERATE_RECOVERY_CODES, {}, { token }),
      type: "RECOVERY_CODES_REPLACED",
      text: "Your account has new recovery codes. The earlier ones no longer work.",
      by: "user",
      methods: "TOTP RECOVERY_CODE",
    },
    "removing the app": {
      change: ({ user: { token } }) => app.send(DISABLE_TOTP, {}, { token }),
      type: "TOTP_DISABLED",
      text: "The authenticator app was removed from your account. Its codes no longer work.",
      by: "user",
      methods: "",
    },
    "an administrator's resetMfa": {
      change: ({ user, adminToken }) => app.send(RESET_MFA, { userId: user.id }, { token: adminToken }),
      type: "MFA_RESET",
      text: "The second factors of your account were removed. An administrator removed the authenticator app, the passkeys and the recovery codes. From now on, the password is enough to sign in.",
      by: "administrator",
      methods: "",
    },
    "the operator's resetMfa": {
      change: async ({ user: { username } }) => {
        await app.latchkey.operator.resetMfa(username);
        return undefined;
      },
      type: "MFA_RESET",
      text: "The second factors of your account were removed. An administrator removed the authenticator app, the passkeys and the recovery codes. From now on, the password is enough to sign in.",
      by: "nobody",
      methods: "",
    },
  };
  test.each(Object.entries(CHANGES))(
    "%s: one email, one audit event, and only a reset ends sessions",
    async (_, expected) => {
      const user = await makeMfaUser(app);
      const admin = await makeUser(app, undefined, ["ADMIN"]);
      const before = (await printedEmailsTo(app, user.email)).length;
      const again = await expected.change({ user, adminToken: admin.token });
      expect(again?.errors).toBeUndefined();
      const emails = (await printedEmailsTo(app, user.email)).slice(before);
      expect(emails.map((text) => text.split("\n\n")[1])).toEqual([expected.text]);
      const actors = { user: user.id, administrator: admin.id, nobody: null };
      const events = (await auditEventsOf(app.latchkey.db, user.id)).filter(
        ({ type }) => type === expected.type,
      );
      expect(events).toEqual([
        { type: expected.type, actorId: actors[expected.by], sessionId: null, details: {} },
      ]);
      const { data } = await app.send(ME, {}, { token: user.token });
      expect(data?.me.username).toBe(expected.type === "MFA_RESET" ? undefined : user.username);
      const stored = app.latchkey.db.selectFrom("users").select("mfa_methods").where("id", "=", user.id);
      expect((await stored.executeTakeFirstOrThrow()).mfa_methods).toBe(expected.methods);
    },
  );

  test("adding one: one email, one audit event, and no session ends; starting, failing and repeating: none", async () => {
    const { id, username, email, token } = await makeUser(app);
    await startTotp(app, token);
    const { secret } = await startTotp(app, token);
    await app.send(CONFIRM_TOTP, { code: "000000" }, { token });
    await app.send(DISABLE_TOTP, {}, { token });
    await app.latchkey.operator.resetMfa(username);
    expect(errorOf(await confirm(token, secret))).toEqual(NOTHING_TO_CONFIRM);
    expect(await printedEmailsTo(app, email)).toEqual([]);
    await enrollTotp(app, token);
    const emails = await printedEmailsTo(app, email);
    expect(emails.map((text) => text.split("\n\n")[1])).toEqual([
      "An authenticator app was added to your account. From now on, signing in with the password requires a second factor.",
    ]);
    const types = (await auditEventsOf(app.latchkey.db, id)).map(({ type }) => type);
    expect(types).toEqual(["USER_CREATED", "LOGIN_SUCCEEDED", "TOTP_ENABLED"]);
    expect((await app.send(ME, {}, { token })).data?.me.username).toBe(username);
    expect(await challengeFor(app, username)).toEqual(expect.any(String));
  });
});

/** What an app reads from an `otpauth:` URI, by its specification: https://github.com/google/google-authenticator/wiki/Key-Uri-Format */
function parseKeyUri(uri: string) {
  const { protocol, host, pathname, searchParams } = new URL(uri);
  const [prefix, account] = /^([^:]*): *([^:]*)$/.exec(decodeURIComponent(pathname.slice(1)))!.slice(1);
  return { type: `${protocol}//${host}`, prefix, account, ...Object.fromEntries(searchParams) };
}

/** The text of a QR code: its SVG consists of squares, each at a position or relative to the one before. */
function readQrCode(dataUri: string): string {
  const svg = Buffer.from(/^data:image\/svg\+xml;base64,(.+)$/.exec(dataUri)![1]!, "base64").toString();
  const size = Number(/^<svg viewBox="0 0 (\d+) \1"/.exec(svg)![1]);
  const scale = 4;
  const width = size * scale;
  const data = new Uint8Array(width * width * 4).fill(255);
  let [x, y] = [0, 0];
  for (const [, command, dx, dy] of /d="([^"]+)"/.exec(svg)![1]!.matchAll(/([Mm])(-?\d+)[ ,]?(-?\d+)/g)) {
    [x, y] = command === "M" ? [Number(dx), Number(dy)] : [x + Number(dx), y + Number(dy)];
    for (let row = y * scale; row < (y + 1) * scale; row++) {
      for (let column = x * scale; column < (x + 1) * scale; column++) {
        data.fill(0, (row * width + column) * 4, (row * width + column) * 4 + 3);
      }
    }
  }
  return decodeQR({ width, height: width, data }, { timeLimit: 10_000 });
}

describe("the URI and the QR code for the app", () => {
  const ISSUERS: Record<string, string> = {
    Acme: "Acme",
    "Acme: Login": "Acme Login",
    "a:b::c": "a b c",
    "100% & more/less?": "100% & more/less?",
    "a+b=c#d": "a+b=c#d",
    "Café Über": "Café Über",
    '<script>alert("1")</script>': '<script>alert("1")</script>',
    日本語のサービス: "日本語のサービス",
    // 64 bytes, the most.
    ["😀".repeat(16)]: "😀".repeat(16),
  };
  test.each(Object.entries(ISSUERS))("name the service %s", async (SERVICE_NAME, issuer) => {
    const app = await makeApp({ env: { SERVICE_NAME } });
    const { username, token } = await makeUser(app, `ann.a_b-${"c".repeat(24)}`);
    const { secret, uri, qrCode } = await startTotp(app, token);
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(parseKeyUri(uri)).toEqual({
      type: "otpauth://totp",
      prefix: issuer,
      account: username,
      secret,
      issuer,
      algorithm: "SHA1",
      digits: "6",
      period: "30",
    });
    expect(readQrCode(qrCode)).toBe(uri);
    // As the schema declares.
    expect(qrCode.length).toBeLessThan(128 * 1024);
    await app.close();
  });

  test.each([
    ["https://app.example.com:8443", "app.example.com"],
    ["http://[::1]:3000", "[ 1]"],
    [`https://${`${"a".repeat(60)}.`.repeat(4)}example`, `${`${"a".repeat(60)}.`.repeat(4)}example`],
  ])("name the host of APP_URL %s without SERVICE_NAME", async (APP_URL, issuer) => {
    const app = await makeApp({ env: { APP_URL } });
    const { token } = await makeUser(app);
    const { uri, qrCode } = await startTotp(app, token);
    expect(parseKeyUri(uri)).toMatchObject({ prefix: issuer, issuer });
    expect(readQrCode(qrCode)).toBe(uri);
    expect(qrCode.length).toBeLessThan(128 * 1024);
    await app.close();
  });

  test("SERVICE_NAME has at most 64 bytes", async () => {
    const SERVICE_NAME = `${"😀".repeat(16)}a`;
    await expect(makeApp({ env: { SERVICE_NAME } })).rejects.toThrow(
      "SERVICE_NAME must be 1 to 64 bytes of printable text",
    );
  });
});
