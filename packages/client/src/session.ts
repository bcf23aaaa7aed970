import { createBackOff } from "./back-off.js";
import type { UnauthenticatedReason } from "./errors.js";
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
   * Before the first refresh has been answered, and when another user has signed in in another tab. With the error when
   * the server is away: it is asked again.
   */
  | { status: "loading"; error?: unknown }
  /** Without a reason when nobody was signed in before. */
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
   * @throws LatchkeyError when the server is away, unless the token still works
   */
  ready(force?: boolean): Promise<void>;
  /** Marks the access token as refused by the server, unless there is a newer one. */
  refuse(accessToken: string, reason: UnauthenticatedReason): void;
  /** Settles when no refresh is on its way. */
  idle(): Promise<unknown>;
  /** Begins a new session, in all tabs. */
  start(issued: Issued): Promise<void>;
  /** Uses a newer access token of the session. */
  renew(issued: Issued): void;
  /** Ends the session in all tabs. @returns its refresh token, when the app stores it */
  end(reason: SignedOutReason | undefined): Promise<string | null | undefined>;
  close(): void;
}

export interface SessionDeps {
  url: string;
  send: Send;
  /** Undefined when the refresh token is kept in a cookie. */
  storage: RefreshTokenStorage | undefined;
}

interface Current extends Issued {
  refused?: UnauthenticatedReason;
}

/** How long a refresh may take, in milliseconds. */
const TIMEOUT = 10_000;

/** The session of a tab: its access token in memory, kept in step with the other tabs. */
export function createSession({ url, send, storage }: SessionDeps): Session {
  const listeners = new Set<(state: SessionState) => void>();
  let state: SessionState = { status: "loading" };
  let current: Current | undefined;

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
      backOff.wait(error);
      if (state.status === "loading") become({ status: "loading", error });
      throw error;
    }
  }, TIMEOUT);

  const tabs = connectTabs(url, (message) => {
    const user = current?.token.user.id;
    if ("signedOut" in message) {
      if (message.signedOut === user) return forget(message.reason);
      if (user) return;
    }
    // What is on its way may bring the earlier session back, and its cookie.
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
    if (user && reason) tabs?.tell({ signedOut: user, reason });
    const refreshToken = await storage?.get();
    await storage?.clear();
    return refreshToken;
  }

  /** Whether the access token can be used, for so many more milliseconds. */
  function isUsable(milliseconds: number): boolean {
    return !!current && !current.refused && remaining(current) > milliseconds;
  }

  async function ready(force = false): Promise<void> {
    // Ahead of expiry, because a request takes time.
    if (!force && isUsable(Math.min(30_000, (current?.token.expiresIn ?? 0) * 100))) return;
    while (state.status !== "signed-out") {
      try {
        if (backOff.error) throw backOff.error;
        const before = current;
        await refreshing.run();
        if (current && current !== before) return;
        // It was cancelled, because another tab has signed in: the next one tells who.
      } catch (error) {
        if (isUsable(0)) return;
        throw error;
      }
    }
  }

  function readyInBackground(): void {
    // Who needs the token gets the error.
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
    idle: refreshing.idle,
    async start(issued) {
      cancel();
      await store(storage, issued.token);
      adopt(issued);
      tabs?.tell({ signedIn: issued.token.user.id });
    },
    renew(issued) {
      if (current?.token.user.id === issued.token.user.id) adopt(issued);
    },
    end,
    close() {
      cancel();
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
