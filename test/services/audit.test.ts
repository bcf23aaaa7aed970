import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { decodeJwt } from "jose";
import { idsFrom, MINUTE } from "../../src/clock.js";
import { Audit } from "../../src/services/audit.js";
import { AUDIT_EVENT_TYPES, type AuditEventType } from "../../src/storage/audit.js";
import { ROLES } from "../../src/storage/users.js";
import {
  AUDIT_EVENTS,
  CREATE_USER,
  DELETE_USER,
  DISABLE_USER,
  ENABLE_USER,
  RESET_MFA,
  SET_USER_ROLES,
  UPDATE_USER,
} from "../support/administration-operations.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD, withRefreshToken } from "../support/app.js";
import { emailedToken } from "../support/emails.js";
import {
  ACCEPT_INVITATION,
  CHANGE_PASSWORD,
  CONFIRM_EMAIL_CHANGE,
  DISABLE_TOTP,
  LOGIN,
  LOGOUT,
  REAUTHENTICATE,
  REFRESH,
  REGENERATE_RECOVERY_CODES,
  REGISTER,
  REQUEST_EMAIL_CHANGE,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  REVOKE_SESSION,
  UPDATE_PROFILE,
  VERIFY_EMAIL,
  VERIFY_RECOVERY_CODE,
  VERIFY_TOTP,
} from "../support/operations.js";
import { challengeFor, enrollTotp } from "../support/totp.js";

const from = "203.0.113.7";

let app: App;
let adminId: string;
let carolId: string;
let idaId: string;
let bobId: string;
beforeAll(async () => {
  app = await makeApp();
  const admin = { username: "admin", email: "admin@example.com", fullName: null, roles: ["ADMIN" as const] };
  adminId = (await app.latchkey.operator.create(admin, PASSWORD)).id;
  bobId = (await app.createUser("bob")).id;
});
afterAll(() => app.close());

const send: App["send"] = (document, variables, options) =>
  app.send(document, variables, { from, ...options });
const signIn = async (username: string, password = PASSWORD) =>
  withRefreshToken((await send(LOGIN, { username, password })).data!.login);
const as = async (username: string) => ({ token: (await signIn(username)).accessToken });
const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };

/** Carol's authenticator app and recovery codes, while she has them. */
let totp: Awaited<ReturnType<typeof enrollTotp>>;
async function withCode(username: string) {
  const challenge = await challengeFor(app, username, { from });
  return (await send(VERIFY_TOTP, { challenge, code: totp.code() })).data!.verifyTotp;
}

/** No request records these yet. */
const WITH_PASSKEYS = ["PASSKEY_ADDED", "PASSKEY_REMOVED"] as const satisfies AuditEventType[];

/** An action for each event, in order: carol signs up, and an administrator deletes her in the end. */
const ACTIONS: Record<Exclude<AuditEventType, (typeof WITH_PASSKEYS)[number]>, () => Promise<unknown>> = {
  USER_CREATED: async () => {
    const input = { username: "ida", email: "ida@example.com" };
    idaId = (await send(CREATE_USER, { input }, await as("admin"))).data!.createUser.id;
  },
  INVITATION_ACCEPTED: async () =>
    send(ACCEPT_INVITATION, { token: await emailedToken(app, "ida@example.com"), password: PASSWORD }),
  ACCOUNT_REGISTERED: async () => {
    await send(REGISTER, { input: { username: "carol", email: "carol@example.com", password: PASSWORD } });
    carolId = (await app.latchkey.operator.get("carol")).id;
  },
  EMAIL_VERIFIED: async () => send(VERIFY_EMAIL, { token: await emailedToken(app, "carol@example.com") }),
  LOGIN_SUCCEEDED: () => signIn("carol"),
  LOGIN_FAILED: () => send(LOGIN, { username: "carol", password: "wrong" }),
  ATTEMPTS_LIMITED: async () => {
    for (let n = 0; n < 6; n++) await send(LOGIN, { username: "carol", password: "wrong" });
  },
  REFRESH_TOKEN_REUSED: async () => {
    const { refreshToken } = await signIn("carol");
    await send(REFRESH, { refreshToken });
    app.clock.advance(MINUTE);
    await send(REFRESH, { refreshToken });
  },
  LOGGED_OUT: async () => send(LOGOUT, {}, await as("carol")),
  SESSION_REVOKED: async () => {
    const id = decodeJwt((await signIn("carol")).accessToken)["sid"] as string;
    await send(REVOKE_SESSION, { id }, await as("carol"));
  },
  PROFILE_UPDATED: async () => send(UPDATE_PROFILE, { input: { fullName: "Carol" } }, await as("carol")),
  EMAIL_CHANGE_REQUESTED: async () =>
    send(REQUEST_EMAIL_CHANGE, { newEmail: "new@example.com" }, await as("carol")),
  EMAIL_CHANGED: async () =>
    send(CONFIRM_EMAIL_CHANGE, { token: await emailedToken(app, "new@example.com") }),
  PASSWORD_CHANGED: async () => send(CHANGE_PASSWORD, passwords, await as("carol")),
  PASSWORD_RESET: async () => {
    await send(REQUEST_PASSWORD_RESET, { email: "new@example.com" });
    await send(RESET_PASSWORD, { token: await emailedToken(app, "new@example.com"), newPassword: PASSWORD });
  },
  USER_UPDATED: async () =>
    send(UPDATE_USER, { id: carolId, input: { fullName: "Caroline" } }, await as("admin")),
  USER_ROLES_SET: async () => send(SET_USER_ROLES, { id: carolId, roles: ["ADMIN"] }, await as("admin")),
  TOTP_ENABLED: async () => {
    totp = await enrollTotp(app, (await as("carol")).token, { from });
  },
  MFA_CHALLENGED: () => challengeFor(app, "carol", { from }),
  REAUTHENTICATED: async () => {
    const { accessToken: token } = await withCode("carol");
    app.clock.advance(MINUTE);
    await send(REAUTHENTICATE, { code: totp.code() }, { token });
  },
  RECOVERY_CODES_REPLACED: async () => {
    const { accessToken: token } = await withCode("carol");
    totp.recoveryCodes = (await send(REGENERATE_RECOVERY_CODES, {}, { token })).data!.regenerateRecoveryCodes;
  },
  RECOVERY_CODE_USED: async () => {
    const challenge = await challengeFor(app, "carol", { from });
    await send(VERIFY_RECOVERY_CODE, { challenge, code: totp.recoveryCodes[0]! });
  },
  TOTP_DISABLED: async () => {
    const { accessToken: token } = await withCode("carol");
    await send(DISABLE_TOTP, {}, { token });
  },
  MFA_RESET: async () => {
    await enrollTotp(app, (await as("carol")).token, { from });
    await send(RESET_MFA, { userId: carolId }, await as("admin"));
  },
  USER_DISABLED: async () => send(DISABLE_USER, { id: carolId }, await as("admin")),
  USER_ENABLED: async () => send(ENABLE_USER, { id: carolId }, await as("admin")),
  ACCOUNT_DELETED: async () => send(DELETE_USER, { id: carolId }, await as("admin")),
  SIGNING_KEY_ROTATED: async () => app.latchkey.signingKeys!.rotate(),
  SIGNING_KEY_RETIRED: async () => {
    const { kid } = await app.latchkey.keys.signingKey();
    await app.latchkey.signingKeys!.rotate();
    app.clock.advance(MINUTE);
    await app.latchkey.signingKeys!.retire(kid);
  },
};

interface Party {
  actor: string | null;
  subject: string | null;
  ip: string | null;
}

const byAdminTo = (subject: string): Party => ({ actor: adminId, subject, ip: from });
/** Whoever has only sent a password is unknown. */
const byNobodyKnown = (): Party => ({ actor: null, subject: carolId, ip: from });
/** On the machine itself, without a subject. */
const byOperator = (): Party => ({ actor: null, subject: null, ip: null });

/** Actor, subject and IP address of each event, unless carol is both actor and subject. */
const PARTIES: Partial<Record<AuditEventType, () => Party>> = {
  USER_CREATED: () => byAdminTo(idaId),
  INVITATION_ACCEPTED: () => ({ actor: idaId, subject: idaId, ip: from }),
  LOGIN_FAILED: byNobodyKnown,
  ATTEMPTS_LIMITED: byNobodyKnown,
  USER_UPDATED: () => byAdminTo(carolId),
  USER_ROLES_SET: () => byAdminTo(carolId),
  MFA_CHALLENGED: byNobodyKnown,
  MFA_RESET: () => byAdminTo(carolId),
  USER_DISABLED: () => byAdminTo(carolId),
  USER_ENABLED: () => byAdminTo(carolId),
  ACCOUNT_DELETED: () => byAdminTo(carolId),
  SIGNING_KEY_ROTATED: byOperator,
  SIGNING_KEY_RETIRED: byOperator,
};

test("there is an action for every type of event", () => {
  expect([...Object.keys(ACTIONS), ...WITH_PASSKEYS].sort()).toEqual(Object.keys(AUDIT_EVENT_TYPES).sort());
});

test.each(Object.entries(ACTIONS) as [AuditEventType, () => Promise<unknown>][])(
  "%s is recorded with its time, actor, subject and IP address (row 68)",
  async (type, act) => {
    // So that no attempt counts against the next.
    app.clock.advance(60 * MINUTE);
    const { db } = app.latchkey;
    const all = () => db.selectFrom("audit_events").selectAll().where("type", "=", type).execute();
    const known = new Set((await all()).map(({ id }) => id));
    const before = app.clock.now();
    await act();
    const events = (await all()).filter(({ id }) => !known.has(id));
    const itself = { actor: carolId, subject: carolId, ip: from };
    expect(
      events.map(({ actor_id: actor, subject_id: subject, ip_address: ip }) => ({ actor, subject, ip })),
    ).toEqual([PARTIES[type]?.() ?? itself]);
    const { at } = events[0]!;
    // If the action takes a minute, the event is from its beginning or its end.
    expect([before, app.clock.now()]).toContain(at);
  },
);

test("details over 1,024 bytes, the limit that answers allow for, are not recorded", async () => {
  const { db } = app.latchkey;
  const audit = new Audit({ clock: app.clock, newId: idsFrom(app.clock) });
  const record = (bytes: number) =>
    audit.record(db, "USER_CREATED", { details: { note: "ż".repeat((bytes - '{"note":""}'.length) / 2) } });
  const events = () => db.selectFrom("audit_events").select("id").execute();
  const before = (await events()).length;
  await record(1023);
  await expect(record(1025)).rejects.toThrow("The details of USER_CREATED are longer than 1024 bytes.");
  expect((await events()).length).toBe(before + 1);
});

test("the longest details that a user can cause fit", async () => {
  const username = "a".repeat(32);
  const account = { username, email: "longest@example.com", fullName: null, roles: [...ROLES] };
  const { id } = await app.latchkey.operator.create(account, PASSWORD);
  const changes = { username: "b".repeat(32), email: "other@example.com", fullName: "ż".repeat(200) };
  const admin = await as("admin");
  const answers = [
    await send(UPDATE_USER, { id, input: changes }, admin),
    await send(SET_USER_ROLES, { id, roles: ["USER"] }, admin),
    await send(SET_USER_ROLES, { id, roles: [...ROLES] }, admin),
    await send(DELETE_USER, { id }, admin),
  ];
  expect(answers.map(({ errors }) => errors)).toEqual(Array(4).fill(undefined));
  const rows = app.latchkey.db.selectFrom("audit_events").select(["type", "details"]);
  for (const { type, details } of await rows.execute()) {
    expect([type, Buffer.byteLength(details) <= 1024]).toEqual([type, true]);
  }
});

test("times are returned in UTC", async () => {
  app.clock.advance(60 * MINUTE);
  const { data } = await send(AUDIT_EVENTS, { userId: bobId }, await as("admin"));
  expect(data!.auditEvents.nodes.map(({ type, at }) => [type, at])).toEqual([
    ["USER_CREATED", "2026-01-01T00:00:00.000Z"],
  ]);
});
