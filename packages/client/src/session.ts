import { createBackOff } from "./back-off.js";
import type { UnauthenticatedReason } from "./errors.js";
import { LogoutDocument } from "./operations.js";
import { type Issued, type RefreshTokenStorage, refresh, store } from "./refresh.js";
import { createSingleFlight } from "./single-flight.js";
import { connectTabs } from "./tabs.js";
import type { SessionUser, Token } from "./token.js";
import type { Send } from "./transport.js";

/**
 * Why nobody is signed in any more: the user signed out, here or in another tab; the account was disabled; the session
 * was revoked; or it ended in another way, such as by its age.
 */
export type SignedOutReason = "SIGNED_OUT" | "ACCOUNT_DISABLED" | "SESSION_REVOKED" | "SESSION_ENDED";

export type SessionState =
  /**
   * Before the first refresh has been answered, and when another user has signed in in another tab. With the error
   * while refreshing fails; it is retried.
   */
  | { status: "loading"; error?: unknown }
  /** Without a reason when nobody was signed in before, and `signOut` was not called. */
  | { status: "signed-out"; reason?: SignedOutReason }
  /** `expiresAt` is when the access token expires, in milliseconds since 1970 by the local clock. */
  | { status: "signed-in"; user: SessionUser; expiresAt: number };

export interface Session {
  readonly state: SessionState;
  /** The current tokens; undefined when nobody is signed in. */
  readonly current: Token | undefined;
  subscribe(listener: (state: SessionState) => void): () => void;
  /**
   * Refreshes an access token that was refused or is about to expire, or any with `force`.
   * @throws LatchkeyError when the server is unavailable, unless the token still works; with `force` in any case
   */
  ready(force?: boolean): Promise<void>;
  /** Marks the access token as refused by the server, unless there is a newer one. */
  refuse(accessToken: string, reason: UnauthenticatedReason): void;
  /** Settles when no refresh and no sign-out is in flight. */
  idle(): Promise<unknown>;
  /** Begins a new session, in all tabs. */
  start(issued: Issued): Promise<void>;
  /** Uses a newer access token of the session. */
  renew(issued: Issued): void;
  /** Ends the session in all tabs, and on the server. @throws LatchkeyError when the server is unavailable */
  signOut(): Promise<void>;
  close(): void;
}

export interface SessionDeps {
  url: string;
  send: Send;
  /** Undefined when the refresh token is kept in a cookie. */
  storage: RefreshTokenStorage | undefined;
}

interface Current extends Issued {
  refused?: UnauthenticatedReason | SignedOutReason;
}

/**
 * How long a refresh may take, in milliseconds: half the server's grace period, so that one whose answer was lost can be
 * repeated.
 */
const TIMEOUT = 5_000;

/** The session of a tab: its access token in memory, kept in step with the other tabs. */
export function createSession({ url, send, storage }: SessionDeps): Session {
  const listeners = new Set<(state: SessionState) => void>();
  let state: SessionState = { status: "loading" };
  let current: Current | undefined;
  let closed = false;

  const backOff = createBackOff(readyInBackground);
  const refreshing = createSingleFlight(async (flight) => {
    try {
      const issued = await refresh(send, storage, flight);
      if (flight.cancelled) return;
      backOff.reset();
      if (issued) adopt(issued);
      else await end(reasonOf(current));
    } catch (error) {
      if (flight.cancelled) return;
      if (!closed) backOff.wait(error);
      if (state.status === "loading") become({ status: "loading", error });
      throw error;
    }
  }, TIMEOUT);

  /** The refresh token of a session that the server has yet to end. */
  let unended: string | null | undefined;
  const signingOut = createSingleFlight(async ({ signal }) => {
    const accessToken = current?.token.accessToken;
    unended = (await end("SIGNED_OUT")) || unended;
    if (storage && !unended) return;
    await send(LogoutDocument, { refreshToken: unended }, { accessToken, cookie: !storage, signal });
    unended = undefined;
  }, TIMEOUT);

  const tabs = connectTabs(url, (message) => {
    const user = current?.token.user.id;
    if ("signedOut" in message) {
      const { signedOut, reason } = message;
      if (user && signedOut !== user) return;
      if (user && reason === "SIGNED_OUT") return forget(reason);
      // The session that ended may be an earlier one of this user.
      if (current) current.refused = reason;
    }
    // What is in flight may bring the earlier session back, and its cookie.
    cancel();
    if ("signedIn" in message && message.signedIn !== user) become({ status: "loading" });
    readyInBackground();
  });

  function become(next: SessionState, issued?: Issued): void {
    current = issued;
    state = next;
    for (const listener of listeners) listener(next);
  }

  function adopt(issued: Issued): void {
    const expiresAt = Date.now() + remaining(issued);
    become({ status: "signed-in", user: issued.token.user, expiresAt }, { ...issued });
  }

  function forget(reason: SignedOutReason | undefined): void {
    cancel();
    become({ status: "signed-out", ...(reason && { reason }) });
  }

  function cancel(): void {
    backOff.reset();
    refreshing.cancel();
  }

  async function end(reason: SignedOutReason | undefined): Promise<string | null | undefined> {
    const user = current?.token.user.id;
    forget(reason);
    if (user && reason) tabs?.post({ signedOut: user, reason });
    const refreshToken = await storage?.get();
    await storage?.clear();
    return refreshToken;
  }

  /** Whether the access token stays usable for this many more milliseconds. */
  function isUsable(milliseconds: number): boolean {
    return !!current && !current.refused && remaining(current) > milliseconds;
  }

  async function ready(force = false): Promise<void> {
    // Ahead of expiry, because a request takes time.
    if (!force && isUsable(Math.min(30_000, (current?.token.expiresIn ?? 0) * 100))) return;
    // One that has begun may not know of the change that is to be seen.
    if (force) await refreshing.idle();
    while (state.status !== "signed-out") {
      try {
        if (backOff.error) throw backOff.error;
        const before = current;
        await refreshing.run();
        if (current && current !== before) return;
        // It was cancelled: another tab has signed in. The next refresh shows who.
      } catch (error) {
        if (!force && isUsable(0)) return;
        throw error;
      }
    }
  }

  function readyInBackground(): void {
    // Whoever needs the token gets the error.
    ready().catch(() => {});
  }

  return {
    get state() {
      return state;
    },
    get current() {
      return current?.token;
    },
    subscribe(listener) {
      listeners.add(listener);
      if (state.status === "loading") readyInBackground();
      return () => void listeners.delete(listener);
    },
    ready,
    refuse(accessToken, reason) {
      if (current?.token.accessToken === accessToken) current.refused = reason;
    },
    idle: () => Promise.all([refreshing.idle(), signingOut.idle()]),
    async start(issued) {
      cancel();
      // Nobody refreshes with the earlier token meanwhile.
      await refreshing.run(async () => {
        await store(storage, issued.token);
        adopt(issued);
      });
      tabs?.post({ signedIn: issued.token.user.id });
    },
    renew(issued) {
      if (current?.token.user.id === issued.token.user.id) adopt(issued);
    },
    signOut: signingOut.run,
    close() {
      // A refresh in flight goes on: its token would be lost.
      closed = true;
      backOff.reset();
      tabs?.close();
      listeners.clear();
    },
  };
}

/** Milliseconds until the access token expires. */
function remaining({ token, age }: Issued): number {
  return token.expiresIn * 1000 - age();
}

function reasonOf(current: Current | undefined): SignedOutReason | undefined {
  const refused = current?.refused;
  if (refused === "SESSION_REVOKED" || refused === "ACCOUNT_DISABLED") return refused;
  return current && "SESSION_ENDED";
}
