import { expect } from "@jest/globals";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { type App, makeApp } from "./app.js";
import type { DatabaseKind } from "./databases.js";
import { ME } from "./operations.js";

/** A secret that can also be sent as a bearer token. */
export const INTROSPECTION_SECRET = "an-introspection-secret-of-the-tests";

/** Every algorithm and both databases, without every combination: `describe.each(TOKEN_SETUPS)`. */
export const TOKEN_SETUPS = [
  ["ES256", "postgres"],
  ["EdDSA", "sqlite"],
  ["HS256", "sqlite"],
] as const;

export type Json = Record<string, unknown>;
/** A part of a token. Anything but a string is encoded as JSON, without members that are undefined. */
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

/** Signs header and payload, exactly as given, with the key of the app. */
export async function signedLike(app: App, header: Part, payload: Part | Buffer): Promise<string> {
  const { algorithm, sign } = await app.latchkey.keys.signingKey();
  const input = `${encoded(header)}.${encoded(payload)}`;
  const signature = await crypto.subtle.sign(SIGNING[algorithm], sign, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString("base64url")}`;
}

/** Starts an app that signs with the algorithm, and returns it with an access token of its user alice. */
export async function makeTokenApp(ALGORITHM: string, database: DatabaseKind) {
  const app = await makeApp({ database, env: { ALGORITHM, INTROSPECTION_SECRET } });
  await app.createUser("alice");
  return { app, ...(await issue(app, "alice")) };
}

/** Signs a user in. Returns the access token, with its decoded header and claims. */
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

/** Introspects an access token, as a resource server does. */
export async function introspect(app: App, token: string) {
  const { status, text, json } = await postForm(
    app,
    "/introspect",
    { token },
    { authorization: `Bearer ${INTROSPECTION_SECRET}` },
  );
  return { status, text, json };
}

/** Whether a header can carry a token unchanged: whitespace around a value is not part of it (RFC 9110, 5.5). */
const fitsHeader = (token: string) => /^[\t\x20-\x7e\x80-\xff]*$/.test(token) && token.trim() === token;

/** Expects a token to be refused as a bearer token, if a header can carry it, and to be inactive if introspected. */
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

/** Expects a token to be accepted as a bearer token, and to be active if introspected. */
export async function expectAccepted(app: App, token: string, username: string): Promise<void> {
  expect((await app.send(ME, {}, { token })).data?.me.username).toBe(username);
  expect((await introspect(app, token)).json).toMatchObject({ active: true, username });
}
