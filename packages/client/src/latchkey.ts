import { type Authorization, createAuthorize, type Reauthenticate } from "./authorization.js";
import { LatchkeyError } from "./errors.js";
import {
  ChangePasswordDocument,
  ReauthenticateDocument,
  type ReauthenticateMutationVariables,
  StartPasskeyReauthenticationDocument,
} from "./operations.js";
import { getPasskey } from "./passkeys.js";
import { type RefreshTokenStorage, timed } from "./refresh.js";
import { createSession, type SessionState } from "./session.js";
import { createSignIn, type SignIn } from "./sign-in.js";
import { createSend, type SendOptions, type TransportOptions } from "./transport.js";
import type { TypedDocument, TypedText } from "./typed-document.js";

export interface LatchkeyOptions extends TransportOptions {
  /** Where the refresh token is kept: in a cookie that scripts cannot read, or in a storage of the app's. */
  storage?: "cookie" | RefreshTokenStorage;
  /** Called when an operation needs a recent authentication. When it returns true, the operation is sent again. */
  reauthenticate?: Reauthenticate;
}

/** How a user proves again who they are. The password only for an account without a second factor. */
export type Proof = { password: string } | { code: string } | "passkey";

/** The variables of an operation, which can be left out when none is required. */
type RequestArguments<Variables> =
  Record<never, never> extends Variables
    ? [variables?: Variables, options?: RequestOptions]
    : [variables: Variables, options?: RequestOptions];

export interface RequestOptions {
  signal?: AbortSignal;
}

export interface Latchkey extends SignIn {
  readonly state: SessionState;
  /** Calls the listener when the state changes. The first call finds out whether somebody is signed in. */
  subscribe(listener: (state: SessionState) => void): () => void;
  /**
   * A valid access token, refreshed first when it is about to expire; undefined when nobody is signed in.
   * @throws LatchkeyError when the server is unavailable
   */
  accessToken(): Promise<string | undefined>;
  /** The access token of one operation, for links to other clients. */
  authorize(): Authorization;
  /**
   * Sends an operation with the access token. It is sent again, as a whole, after a refresh or a reauthentication: give
   * a mutation that may ask for a recent authentication an operation of its own.
   * @throws LatchkeyError
   */
  request<Data, Variables = Record<string, unknown>>(
    document: TypedDocument<Data, Variables>,
    ...[variables, options]: RequestArguments<Variables>
  ): Promise<Data>;
  /**
   * Refreshes the session now: `state` then has the user as they are on the server.
   * @throws LatchkeyError when the server is unavailable, also while the access token still works
   */
  refresh(): Promise<void>;
  /** Proves again who the user is. @throws INVALID_CREDENTIALS for a wrong password, code or passkey */
  reauthenticate(proof: Proof): Promise<void>;
  /** Changes the password and starts a new session; all others end. */
  changePassword(currentPassword: string, newPassword: string): Promise<void>;
  /**
   * Signs out in all tabs, and ends the session on the server.
   * @throws LatchkeyError when the server is unavailable: the session still exists there, so call it again
   */
  signOut(): Promise<void>;
  /** Stops listening to other tabs and removes all listeners. */
  close(): void;
}

/** Creates the client of an app: one for each page. */
export function createLatchkey(options: LatchkeyOptions): Latchkey {
  const { url, storage = "cookie" } = options;
  const cookie = storage === "cookie";
  const send = createSend(options);
  const session = createSession({ url, send, storage: storage === "cookie" ? undefined : storage });
  const authorize = createAuthorize(session, options.reauthenticate);

  async function request<Data, Variables>(
    document: TypedText<Data, Variables>,
    variables: Variables,
    sendOptions?: SendOptions,
  ): Promise<Data> {
    const authorization = authorize();
    for (;;) {
      const accessToken = await authorization.token();
      try {
        return await send(document, variables, { ...sendOptions, accessToken });
      } catch (error) {
        const { signal } = sendOptions ?? {};
        if (signal?.aborted) throw signal.reason ?? error;
        if (!(error instanceof LatchkeyError) || !(await authorization.recover(error))) throw error;
      }
    }
  }

  async function variablesOf(proof: Proof): Promise<ReauthenticateMutationVariables> {
    if (proof !== "passkey") return proof;
    const data = await request(StartPasskeyReauthenticationDocument, {});
    return { passkey: await getPasskey(data.startPasskeyReauthentication.publicKey) };
  }

  return {
    get state() {
      return session.state;
    },
    subscribe: session.subscribe,
    accessToken: () => authorize().token(),
    authorize,
    request: (document, ...[variables, options]) => request(document as never, variables, options),
    refresh: () => session.ready(true),
    ...createSignIn(session, send, cookie),
    async reauthenticate(proof) {
      session.renew(await timed(async () => request(ReauthenticateDocument, await variablesOf(proof))));
    },
    async changePassword(currentPassword, newPassword) {
      const variables = { currentPassword, newPassword };
      await session.start(await timed(() => request(ChangePasswordDocument, variables, { cookie })));
    },
    signOut: () => session.signOut(),
    close: session.close,
  };
}
