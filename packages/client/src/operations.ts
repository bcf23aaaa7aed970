import type { MfaMethod } from "./errors.js";

/** The user of a session. */
export interface SessionUser {
  id: string;
  username: string;
  email: string;
  emailVerified: boolean;
  fullName: string | null;
  roles: ("USER" | "ADMIN")[];
  mfaEnabled: boolean;
}

/** The tokens of a session. */
export interface Token {
  accessToken: string;
  /** Null when it is kept in a cookie, and after a reauthentication. */
  refreshToken: string | null;
  /** In seconds. */
  expiresIn: number;
  user: SessionUser;
}

export type SignInResult =
  | (Token & { __typename: "Token" })
  | { __typename: "MfaChallenge"; challenge: string; methods: MfaMethod[]; expiresAt: string };

export interface PasskeyOptions {
  publicKey: Record<string, unknown>;
}

const TOKEN =
  "{ accessToken refreshToken expiresIn user { id username email emailVerified fullName roles mfaEnabled } }";

export const REFRESH_TOKEN = `mutation RefreshToken($refreshToken: String) { refreshToken(refreshToken: $refreshToken) ${TOKEN} }`;
export const LOGOUT = "mutation Logout($refreshToken: String) { logout(refreshToken: $refreshToken) }";
export const SIGN_IN = `mutation SignIn($username: String!, $password: String!) {
  signIn(username: $username, password: $password) { __typename ... on Token ${TOKEN} ... on MfaChallenge { challenge methods expiresAt } }
}`;
export const VERIFY_TOTP = `mutation VerifyTotp($challenge: String!, $code: String!) { verifyTotp(challenge: $challenge, code: $code) ${TOKEN} }`;
export const VERIFY_RECOVERY_CODE = `mutation VerifyRecoveryCode($challenge: String!, $code: String!) { verifyRecoveryCode(challenge: $challenge, code: $code) ${TOKEN} }`;
export const PASSKEY_OPTIONS =
  "mutation PasskeyOptions($challenge: String) { passkeyOptions(challenge: $challenge) { publicKey } }";
export const VERIFY_PASSKEY = `mutation VerifyPasskey($challenge: String, $credential: JSONObject!) { verifyPasskey(challenge: $challenge, credential: $credential) ${TOKEN} }`;
export const REAUTHENTICATE = `mutation Reauthenticate($password: String, $code: String, $passkey: JSONObject) { reauthenticate(password: $password, code: $code, passkey: $passkey) ${TOKEN} }`;
export const START_PASSKEY_REAUTHENTICATION =
  "mutation StartPasskeyReauthentication { startPasskeyReauthentication { publicKey } }";
export const CHANGE_PASSWORD = `mutation ChangePassword($currentPassword: String!, $newPassword: String!) { changePassword(currentPassword: $currentPassword, newPassword: $newPassword) ${TOKEN} }`;
