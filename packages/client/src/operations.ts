/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedText } from "./typed-document.js";
/** How a user can prove a second factor. */
export type MfaMethod =
  /** With a passkey: `passkeyOptions` and `verifyPasskey`. */
  | 'PASSKEY'
  /** With a recovery code: `verifyRecoveryCode`. */
  | 'RECOVERY_CODE'
  /** With a code from an authenticator app: `verifyTotp`. */
  | 'TOTP';

/** What a user is allowed to do. */
export type Role =
  /** Manage all users and read the audit log. */
  | 'ADMIN'
  /** Manage their own account and items. Every user has this role. */
  | 'USER';

export type TokensFragment = { accessToken: string, refreshToken: string | null, expiresIn: number, user: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, roles: Array<Role>, mfaEnabled: boolean } };

export type RefreshTokenMutationVariables = Exact<{
  refreshToken?: string | null | undefined;
}>;


export type RefreshTokenMutation = { refreshToken: { accessToken: string, refreshToken: string | null, expiresIn: number, user: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, roles: Array<Role>, mfaEnabled: boolean } } };

export type LogoutMutationVariables = Exact<{
  refreshToken?: string | null | undefined;
}>;


export type LogoutMutation = { logout: boolean };

export type SignInMutationVariables = Exact<{
  username: string;
  password: string;
}>;


export type SignInMutation = { signIn:
    | { __typename: 'MfaChallenge', challenge: string, methods: Array<MfaMethod> }
    | { __typename: 'Token', accessToken: string, refreshToken: string | null, expiresIn: number, user: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, roles: Array<Role>, mfaEnabled: boolean } }
   };

export type VerifyTotpMutationVariables = Exact<{
  challenge: string;
  code: string;
}>;


export type VerifyTotpMutation = { verifyTotp: { accessToken: string, refreshToken: string | null, expiresIn: number, user: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, roles: Array<Role>, mfaEnabled: boolean } } };

export type VerifyRecoveryCodeMutationVariables = Exact<{
  challenge: string;
  code: string;
}>;


export type VerifyRecoveryCodeMutation = { verifyRecoveryCode: { accessToken: string, refreshToken: string | null, expiresIn: number, user: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, roles: Array<Role>, mfaEnabled: boolean } } };

export type PasskeyOptionsMutationVariables = Exact<{
  challenge?: string | null | undefined;
}>;


export type PasskeyOptionsMutation = { passkeyOptions: { publicKey: Record<string, unknown> } };

export type VerifyPasskeyMutationVariables = Exact<{
  challenge?: string | null | undefined;
  credential: Record<string, unknown>;
}>;


export type VerifyPasskeyMutation = { verifyPasskey: { accessToken: string, refreshToken: string | null, expiresIn: number, user: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, roles: Array<Role>, mfaEnabled: boolean } } };

export type StartPasskeyReauthenticationMutationVariables = Exact<{ [key: string]: never; }>;


export type StartPasskeyReauthenticationMutation = { startPasskeyReauthentication: { publicKey: Record<string, unknown> } };

export type ReauthenticateMutationVariables = Exact<{
  password?: string | null | undefined;
  code?: string | null | undefined;
  passkey?: Record<string, unknown> | null | undefined;
}>;


export type ReauthenticateMutation = { reauthenticate: { accessToken: string, refreshToken: string | null, expiresIn: number, user: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, roles: Array<Role>, mfaEnabled: boolean } } };

export type ChangePasswordMutationVariables = Exact<{
  currentPassword: string;
  newPassword: string;
}>;


export type ChangePasswordMutation = { changePassword: { accessToken: string, refreshToken: string | null, expiresIn: number, user: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, roles: Array<Role>, mfaEnabled: boolean } } };

export const RefreshTokenDocument = "mutation RefreshToken($refreshToken:String){refreshToken(refreshToken:$refreshToken){...Tokens}}fragment Tokens on Token{accessToken refreshToken expiresIn user{id username email emailVerified fullName roles mfaEnabled}}" as TypedText<RefreshTokenMutation, RefreshTokenMutationVariables>;
export const LogoutDocument = "mutation Logout($refreshToken:String){logout(refreshToken:$refreshToken)}" as TypedText<LogoutMutation, LogoutMutationVariables>;
export const SignInDocument = "mutation SignIn($username:String!$password:String!){signIn(username:$username password:$password){__typename ...Tokens ...on MfaChallenge{challenge methods}}}fragment Tokens on Token{accessToken refreshToken expiresIn user{id username email emailVerified fullName roles mfaEnabled}}" as TypedText<SignInMutation, SignInMutationVariables>;
export const VerifyTotpDocument = "mutation VerifyTotp($challenge:String!$code:String!){verifyTotp(challenge:$challenge code:$code){...Tokens}}fragment Tokens on Token{accessToken refreshToken expiresIn user{id username email emailVerified fullName roles mfaEnabled}}" as TypedText<VerifyTotpMutation, VerifyTotpMutationVariables>;
export const VerifyRecoveryCodeDocument = "mutation VerifyRecoveryCode($challenge:String!$code:String!){verifyRecoveryCode(challenge:$challenge code:$code){...Tokens}}fragment Tokens on Token{accessToken refreshToken expiresIn user{id username email emailVerified fullName roles mfaEnabled}}" as TypedText<VerifyRecoveryCodeMutation, VerifyRecoveryCodeMutationVariables>;
export const PasskeyOptionsDocument = "mutation PasskeyOptions($challenge:String){passkeyOptions(challenge:$challenge){publicKey}}" as TypedText<PasskeyOptionsMutation, PasskeyOptionsMutationVariables>;
export const VerifyPasskeyDocument = "mutation VerifyPasskey($challenge:String$credential:JSONObject!){verifyPasskey(challenge:$challenge credential:$credential){...Tokens}}fragment Tokens on Token{accessToken refreshToken expiresIn user{id username email emailVerified fullName roles mfaEnabled}}" as TypedText<VerifyPasskeyMutation, VerifyPasskeyMutationVariables>;
export const StartPasskeyReauthenticationDocument = "mutation StartPasskeyReauthentication{startPasskeyReauthentication{publicKey}}" as TypedText<StartPasskeyReauthenticationMutation, StartPasskeyReauthenticationMutationVariables>;
export const ReauthenticateDocument = "mutation Reauthenticate($password:String$code:String$passkey:JSONObject){reauthenticate(password:$password code:$code passkey:$passkey){...Tokens}}fragment Tokens on Token{accessToken refreshToken expiresIn user{id username email emailVerified fullName roles mfaEnabled}}" as TypedText<ReauthenticateMutation, ReauthenticateMutationVariables>;
export const ChangePasswordDocument = "mutation ChangePassword($currentPassword:String!$newPassword:String!){changePassword(currentPassword:$currentPassword newPassword:$newPassword){...Tokens}}fragment Tokens on Token{accessToken refreshToken expiresIn user{id username email emailVerified fullName roles mfaEnabled}}" as TypedText<ChangePasswordMutation, ChangePasswordMutationVariables>;