import {
  type MfaMethod,
  PasskeyOptionsDocument,
  SignInDocument,
  VerifyPasskeyDocument,
  VerifyRecoveryCodeDocument,
  VerifyTotpDocument,
} from "./operations.js";
import { getPasskey, type PasskeyPrompt } from "./passkeys.js";
import { type Issued, timed } from "./refresh.js";
import type { Session } from "./session.js";
import type { SessionUser, Token } from "./token.js";
import type { Send } from "./transport.js";
import type { TypedText } from "./typed-document.js";

/** The user is signed in. */
export interface SignInDone {
  step: "done";
  user: SessionUser;
}

/** The password was correct, but the account has a second factor: prove it with one of `methods`. */
export interface SecondFactorRequired {
  step: "second-factor";
  methods: MfaMethod[];
  /** @throws INVALID_CREDENTIALS for a wrong code: ask again. INVALID_TOKEN after five minutes: sign in again */
  verifyTotp(code: string): Promise<SignInDone>;
  /** @throws as `verifyTotp` */
  verifyRecoveryCode(code: string): Promise<SignInDone>;
  /** @throws as `verifyTotp`; DOMException `NotAllowedError` when the user declines */
  verifyPasskey(): Promise<SignInDone>;
}

/** Where a sign-in is: `switch (result.step)`. */
export type SignInStep = SignInDone | SecondFactorRequired;

export interface SignIn {
  /** Signs in with a password, and for an account with a second factor leads to the next step. */
  signIn(username: string, password: string): Promise<SignInStep>;
  /** Signs in with a passkey alone, without a username. */
  signInWithPasskey(prompt?: PasskeyPrompt): Promise<SignInDone>;
}

export function createSignIn(session: Session, send: Send, cookie: boolean): SignIn {
  async function start(issued: Issued): Promise<SignInDone> {
    await session.start(issued);
    return { step: "done", user: issued.token.user };
  }

  async function verify<Variables>(
    document: TypedText<Record<string, Token>, Variables>,
    variables: Variables,
  ): Promise<SignInDone> {
    await session.idle();
    return start(await timed(() => send(document, variables, { cookie })));
  }

  async function verifyPasskey(challenge?: string, prompt?: PasskeyPrompt): Promise<SignInDone> {
    const { passkeyOptions } = await send(PasskeyOptionsDocument, { challenge });
    const credential = await getPasskey(passkeyOptions.publicKey, prompt);
    return verify(VerifyPasskeyDocument, { challenge, credential });
  }

  return {
    async signIn(username, password) {
      // The answer to a refresh must not come last: it would bring the earlier session back. That to a sign-out would
      // clear the new cookie.
      await session.idle();
      const { token, age } = await timed(() => send(SignInDocument, { username, password }, { cookie }));
      if (token.__typename === "Token") return start({ token, age });
      const { challenge, methods } = token;
      return {
        step: "second-factor",
        methods,
        verifyTotp: (code) => verify(VerifyTotpDocument, { challenge, code }),
        verifyRecoveryCode: (code) => verify(VerifyRecoveryCodeDocument, { challenge, code }),
        verifyPasskey: () => verifyPasskey(challenge),
      };
    },
    signInWithPasskey: (prompt) => verifyPasskey(undefined, prompt),
  };
}
