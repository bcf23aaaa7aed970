import type { LatchkeyError } from "./errors.js";
import { RefreshTokenDocument } from "./operations.js";
import type { Flight } from "./single-flight.js";
import { stopwatch } from "./stopwatch.js";
import type { Token } from "./token.js";
import type { Send } from "./transport.js";

/**
 * Where an app keeps the refresh token that is not in a cookie: a keychain, a file. Its tabs must share it. Every promise
 * must settle: operations wait for it.
 */
export interface RefreshTokenStorage {
  get(): string | null | Promise<string | null>;
  set(token: string): void | Promise<void>;
  clear(): void | Promise<void>;
}

/** New tokens, and how old they are in milliseconds. */
export interface Issued<T = Token> {
  token: T;
  age: () => number;
}

/**
 * Exchanges the refresh token of the cookie, or of the storage if there is one.
 * @returns undefined when there is no refresh token, or the server refuses it
 * @throws LatchkeyError when the server is unavailable
 */
export async function refresh(
  send: Send,
  storage: RefreshTokenStorage | undefined,
  flight: Flight,
): Promise<Issued | undefined> {
  for (;;) {
    const sent = await storage?.get();
    if (storage && !sent) return undefined;
    let issued: Issued | undefined;
    try {
      issued = await timed(() =>
        send(RefreshTokenDocument, { refreshToken: sent }, { cookie: !storage, signal: flight.signal }),
      );
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
    const stored = await storage?.get();
    // Unless another tab has stored the token of another session meanwhile, or a newer one of this session.
    if (flight.cancelled || stored === sent || stored === issued?.token.refreshToken) {
      if (issued && !flight.cancelled) await store(storage, issued.token);
      return issued;
    }
  }
}

/**
 * Sends an operation whose only field returns tokens. Their age is measured from before the request, so it is never too
 * low.
 */
export async function timed<T = Token>(send: () => Promise<Record<string, T>>): Promise<Issued<T>> {
  const age = stopwatch();
  const [token] = Object.values(await send());
  return { token: token!, age };
}

export async function store(storage: RefreshTokenStorage | undefined, token: Token): Promise<void> {
  if (token.refreshToken) await storage?.set(token.refreshToken);
}

/** Whether the server has refused the refresh token, rather than failed. */
function isRefusal(error: unknown): boolean {
  const { code } = error as Partial<LatchkeyError>;
  return code === "INVALID_TOKEN" || code === "BAD_USER_INPUT";
}
