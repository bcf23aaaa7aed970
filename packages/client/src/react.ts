import {
  type Context,
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useSyncExternalStore,
} from "react";
import type { Reauthenticate } from "./authorization.js";
import type { ReauthenticationRequired } from "./errors.js";
import type { Latchkey } from "./latchkey.js";
import type { SessionState } from "./session.js";
import type { SessionUser } from "./token.js";

const LatchkeyContext: Context<Latchkey | undefined> = /* @__PURE__ */ createContext<Latchkey | undefined>(
  undefined,
);
const LOADING: SessionState = { status: "loading" };

/** Hands a client to the components below. */
export function LatchkeyProvider({
  client,
  children,
}: {
  client: Latchkey;
  children?: ReactNode;
}): ReactNode {
  return createElement(LatchkeyContext, { value: client }, children);
}

/** The client of the provider. */
export function useLatchkey(): Latchkey {
  const client = useContext(LatchkeyContext);
  if (!client) throw new Error("There is no <LatchkeyProvider> around this component.");
  return client;
}

/** Whether somebody is signed in. On a server it is always loading: only browsers know. */
export function useSession(): SessionState {
  const client = useLatchkey();
  return useSyncExternalStore(
    client.subscribe,
    () => client.state,
    () => LOADING,
  );
}

/** The signed-in user. */
export function useUser(): SessionUser | undefined {
  const session = useSession();
  return session.status === "signed-in" ? session.user : undefined;
}

/** Renders its children for a signed-in user only, whom a function gets as its argument. */
export function SignedIn({
  children,
}: {
  children?: ReactNode | ((user: SessionUser) => ReactNode);
}): ReactNode {
  const user = useUser();
  if (!user) return null;
  return typeof children === "function" ? children(user) : children;
}

/** Renders its children when nobody is signed in. While that is not known yet, neither this nor `SignedIn` renders. */
export function SignedOut({ children }: { children?: ReactNode }): ReactNode {
  return useSession().status === "signed-out" ? children : null;
}

/** A request to prove again who the user is. */
export interface PendingReauthentication extends ReauthenticationRequired {
  /** Sends the operation again, after `latchkey.reauthenticate`. */
  done(): void;
  /** Lets the operation fail. */
  cancel(): void;
}

/** Asks for a reauthentication in a component. */
export interface ReauthenticationPrompt {
  /** For `createLatchkey`. */
  reauthenticate: Reauthenticate;
  readonly pending: PendingReauthentication | undefined;
  subscribe(listener: () => void): () => void;
}

export function createReauthenticationPrompt(): ReauthenticationPrompt {
  const listeners = new Set<() => void>();
  let pending: PendingReauthentication | undefined;
  function become(next: PendingReauthentication | undefined): void {
    pending = next;
    for (const listener of listeners) listener();
  }
  return {
    get pending() {
      return pending;
    },
    reauthenticate: (required) =>
      new Promise<boolean>((resolve) => {
        const end = (result: boolean) => {
          become(undefined);
          resolve(result);
        };
        become({ ...required, done: () => end(true), cancel: () => end(false) });
      }),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** What the user is asked to prove; undefined when there is nothing to ask. */
export function useReauthentication(prompt: ReauthenticationPrompt): PendingReauthentication | undefined {
  return useSyncExternalStore(
    prompt.subscribe,
    () => prompt.pending,
    () => undefined,
  );
}
