import { expect } from "@jest/globals";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { type App, makeApp } from "./app.js";
import type { DatabaseKind } from "./databases.js";
import { ME } from "./operations.js";

/** One that can be sent as a bearer too. */
export const INTROSPECTION_SECRET = "an-introspection-secret-of-the-tests";

/** Every algorithm, and both databases: `describe.each(TOKEN_SETUPS)`. */
export const TOKEN_SETUPS = [
  ["ES256", "postgres"],
  ["EdDSA", "sqlite"],
  ["HS256", "sqlite"],
] as const;

export type Json = Record<string, unknown>;
/** What is not text is written as JSON; a member that is undefined is left out. */
export type Part = string | Json | unknown[] | null;

const SIGNING = {
  ES256: { name: "ECDSA", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
  HS256: { name: "HMAC" },
};

export const encoded = (part: Part | Buffer): string =>
  Buffer.from(
    Buffer.isBuffer(part) || typeof part === "string" ? (part as string) : JSON.stringify(part),
  ).toString("base64url");

/** Header and payload exactly as given, signed as the app signs, with its key. */
export async function signedLike(app: App, header: Part, payload: Part | Buffer): Promise<string> {
  const { algorithm, sign } = await app.latchkey.keys.signingKey();
  const input = `${encoded(header)}.${encoded(payload)}`;
  const signature = await crypto.subtle.sign(SIGNING[algorithm], sign, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString("base64url")}`;
}

/** An app that signs with the algorithm, and an access token of its user alice. */
export async function makeTokenApp(ALGORITHM: string, database: DatabaseKind) {
  const app = await makeApp({ database, env: { ALGORITHM, INTROSPECTION_SECRET } });
  await app.createUser("alice");
  return { app, ...(await issue(app, "alice")) };
}

/** A fresh access token of a user, and what it says. */
export async function issue(app: App, username: string) {
  const { accessToken: token } = await app.login(username);
  return {
    token,
    header: { ...decodeProtectedHeader(token) } as Json,
    claims: { ...decodeJwt(token) } as Json,
  };
}

/** POSTs a form to one of the OAuth 2 endpoints. */
export async function postForm(
  app: App,
  path: string,
  form: Record<string, string> | string,
  headers: Record<string, string> = {},
) {
  const type = { "content-type": "application/x-www-form-urlencoded" };
  const body = typeof form === "string" ? form : new URLSearchParams(form).toString();
  const answer = await app.request(path, { method: "POST", body, headers: { ...type, ...headers } });
  return { ...answer, json: answer.text === "" ? undefined : JSON.parse(answer.text) };
}

/** What the app says of an access token to a resource server. */
export async function introspect(app: App, token: string) {
  const { status, text, json } = await postForm(
    app,
    "/introspect",
    { token },
    { authorization: `Bearer ${INTROSPECTION_SECRET}` },
  );
  return { status, text, json };
}

/** Whether a header can carry it as it is: space around a value is not a part of it (RFC 9110, 5.5). */
const fitsHeader = (token: string) => /^[\t\x20-\x7e\x80-\xff]*$/.test(token) && token.trim() === token;

/** Refused as a bearer, wherever a header can carry it, and inactive where it is introspected. */
export async function expectRefused(
  app: App,
  token: string,
  reason: "INVALID_TOKEN" | "TOKEN_EXPIRED" = "INVALID_TOKEN",
): Promise<void> {
  if (token !== "") {
    const { status, text } = await introspect(app, token);
    expect({ status, text }).toEqual({ status: 200, text: '{"active":false}' });
  }
  if (!fitsHeader(token)) return;
  const { status, data, errors, headers } = await app.send(ME, {}, { token });
  expect({ status, data }).toEqual({ status: 401, data: null });
  expect(errors?.[0]?.extensions).toEqual({ code: "UNAUTHENTICATED", reason });
  expect(headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
}

/** Let in as a bearer, and active where it is introspected. */
export async function expectLetIn(app: App, token: string, username: string): Promise<void> {
  expect((await app.send(ME, {}, { token })).data?.me.username).toBe(username);
  expect((await introspect(app, token)).json).toMatchObject({ active: true, username });
}
