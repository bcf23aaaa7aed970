import type { SignedOutReason } from "./session.js";

/**
 * What tabs tell each other: who signed in, or was signed out. No token: each tab gets its own with the cookie or the
 * storage that they share, so that nothing is to be had by listening.
 */
export type TabMessage = { signedIn: string } | { signedOut: string; reason: SignedOutReason };

export interface Tabs {
  post(message: TabMessage): void;
  close(): void;
}

/** Connects the tabs of an app. Outside a browser's windows there are none: a server has a client for each user. */
export function connectTabs(url: string, listen: (message: TabMessage) => void): Tabs | undefined {
  if (typeof document === "undefined" || typeof BroadcastChannel === "undefined") return undefined;
  const channel = new BroadcastChannel(`latchkey ${url}`);
  channel.onmessage = ({ data }) => listen(data);
  return { post: (message) => channel.postMessage(message), close: () => channel.close() };
}
