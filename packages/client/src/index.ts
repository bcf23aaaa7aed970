export {
  type Authorization,
  type OperationError,
  type Reauthenticate,
  refusalIn,
} from "./authorization.js";
export { sha256DocumentId } from "./document-id.js";
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorExtensions,
  LatchkeyError,
  type ReauthenticationMethod,
  type ReauthenticationRequired,
  UNAUTHENTICATED_REASONS,
  type UnauthenticatedReason,
  type Violation,
} from "./errors.js";
export {
  createLatchkey,
  type Latchkey,
  type LatchkeyOptions,
  type Proof,
  type RequestOptions,
} from "./latchkey.js";
export type { MfaMethod } from "./operations.js";
export { createPasskey, getPasskey, type PasskeyPrompt } from "./passkeys.js";
export type { RefreshTokenStorage } from "./refresh.js";
export type { SessionState, SignedOutReason } from "./session.js";
export type { SecondFactorRequired, SignIn, SignInDone, SignInStep } from "./sign-in.js";
export type { SessionUser } from "./token.js";
export type { TypedDocument, TypedText } from "./typed-document.js";
