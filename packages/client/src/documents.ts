/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedText } from "./typed-document.js";
/** The type of an audit event. New types may be added. */
export type AuditEventType =
  /** An account was deleted, with everything that belonged to it. */
  | 'ACCOUNT_DELETED'
  /** An account was registered. */
  | 'ACCOUNT_REGISTERED'
  /** A rate limit was reached: further attempts are rejected for now. The details name the limit. */
  | 'ATTEMPTS_LIMITED'
  /** A user changed their email address. */
  | 'EMAIL_CHANGED'
  /** A user asked to change their email address. */
  | 'EMAIL_CHANGE_REQUESTED'
  /** A user or the operator verified an email address. */
  | 'EMAIL_VERIFIED'
  /** An invited user set their first password. */
  | 'INVITATION_ACCEPTED'
  /** A user ended their own session by logging out. */
  | 'LOGGED_OUT'
  /** A login failed. The subject is the account that was named, if it exists. */
  | 'LOGIN_FAILED'
  /** A user signed in. */
  | 'LOGIN_SUCCEEDED'
  /** A user entered the correct password, and was asked for a second factor. */
  | 'MFA_CHALLENGED'
  /** An administrator or the operator removed all second factors of a user. */
  | 'MFA_RESET'
  /** A user added a passkey. */
  | 'PASSKEY_ADDED'
  /** A user removed a passkey. */
  | 'PASSKEY_REMOVED'
  /** A user or the operator changed a password; the user's earlier sessions were ended. */
  | 'PASSWORD_CHANGED'
  /** A user set a new password with a token from an email; their sessions were ended. */
  | 'PASSWORD_RESET'
  /** A user changed their profile. */
  | 'PROFILE_UPDATED'
  /** A signed-in user proved again who they are. */
  | 'REAUTHENTICATED'
  /** A user replaced their recovery codes. */
  | 'RECOVERY_CODES_REPLACED'
  /** A user signed in with a recovery code. The details say how many are left. */
  | 'RECOVERY_CODE_USED'
  /** A refresh token was used again after it was consumed: the session was ended. */
  | 'REFRESH_TOKEN_REUSED'
  /** A session was ended in another way than by logging out. */
  | 'SESSION_REVOKED'
  /** A signing key was removed: tokens signed with it are no longer valid. */
  | 'SIGNING_KEY_RETIRED'
  /** A new signing key was created. */
  | 'SIGNING_KEY_ROTATED'
  /** A user removed their authenticator app. */
  | 'TOTP_DISABLED'
  /** A user added an authenticator app. */
  | 'TOTP_ENABLED'
  /** An administrator or the operator created an account. */
  | 'USER_CREATED'
  /** An account was disabled; its sessions were ended. */
  | 'USER_DISABLED'
  /** A disabled account was enabled. */
  | 'USER_ENABLED'
  /** An administrator set a user's roles. */
  | 'USER_ROLES_SET'
  /** An administrator changed an account, or an import completed it. */
  | 'USER_UPDATED';

/** How a user proves who they are. */
export type AuthenticationMethod =
  /** With a passkey that cannot leave its device (`hwk`). */
  | 'HARDWARE_KEY'
  /** With more than one factor (`mfa`). */
  | 'MULTIPLE_FACTORS'
  /** With a code from an authenticator app, or a recovery code (`otp`). */
  | 'ONE_TIME_CODE'
  /** With the password (`pwd` of RFC 8176). */
  | 'PASSWORD'
  /** With a passkey that is synced between devices (`swk`). */
  | 'SOFTWARE_KEY'
  /** By touching the device of a passkey (`user`). */
  | 'USER_PRESENCE';

/** The item to create. */
export type CreateItemInput = {
  /** The description: at most 5000 characters, and 16384 bytes as JSON. */
  description?: string | null | undefined;
  /** The title: 1 to 200 characters, at most 600 bytes as JSON. */
  title: string;
};

/** An account to create. */
export type CreateUserInput = {
  /** The email address. The invitation is sent to it. */
  email: string;
  /** The display name. */
  fullName?: string | null | undefined;
  /** The user's roles; `USER` is always included. */
  roles?: Array<Role> | null | undefined;
  /** The name to sign in with: 3 to 32 characters from a-z, 0-9, dot, underscore and hyphen; upper case is accepted and stored as lower case. */
  username: string;
};

/** How a user can prove a second factor. */
export type MfaMethod =
  /** With a passkey: `passkeyOptions` and `verifyPasskey`. */
  | 'PASSKEY'
  /** With a recovery code: `verifyRecoveryCode`. */
  | 'RECOVERY_CODE'
  /** With a code from an authenticator app: `verifyTotp`. */
  | 'TOTP';

/** Who must have a second factor. */
export type MfaRequirement =
  /** Users with the role `ADMIN`. */
  | 'ADMINS'
  /** All users. */
  | 'ALL'
  /** Nobody. */
  | 'NONE';

/** An account to register. */
export type RegisterInput = {
  /** The email address. A link to verify it is sent to it. */
  email: string;
  /** The display name. */
  fullName?: string | null | undefined;
  /** The password, used exactly as sent. `settings` has its limits; a few words are easiest. */
  password: string;
  /** The name to sign in with: 3 to 32 characters from a-z, 0-9, dot, underscore and hyphen; upper case is accepted and stored as lower case. */
  username: string;
};

/** What a user is allowed to do. */
export type Role =
  /** Manage all users and read the audit log. */
  | 'ADMIN'
  /** Manage their own account and items. Every user has this role. */
  | 'USER';

/** Changes to an item. Omitted fields stay as they are. */
export type UpdateItemInput = {
  /** The description: at most 5000 characters, and 16384 bytes as JSON. Null removes it. */
  description?: string | null | undefined;
  /** The title: 1 to 200 characters, at most 600 bytes as JSON. It cannot be null. */
  title?: string | null | undefined;
};

/** Changes to the profile. A field that is left out keeps its value. */
export type UpdateProfileInput = {
  /** The display name; null removes it. */
  fullName?: string | null | undefined;
};

/** Changes to an account. A field that is left out keeps its value. */
export type UpdateUserInput = {
  /** The new email address. It counts as verified, so be sure that it is the user's. It cannot be null. */
  email?: string | null | undefined;
  /** The display name; null removes it. */
  fullName?: string | null | undefined;
  /** The new username: 3 to 32 characters from a-z, 0-9, dot, underscore and hyphen; upper case is accepted and stored as lower case. It cannot be null. */
  username?: string | null | undefined;
};

export type AccountFragment = { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string };

export type SettingsQueryVariables = Exact<{ [key: string]: never; }>;


export type SettingsQuery = { settings: { registrationOpen: boolean, passwordMinLength: number, passwordMaxBytes: number, mfaMethods: Array<MfaMethod>, mfaRequiredFor: MfaRequirement, sendsEmail: boolean } };

export type PasswordStrengthQueryVariables = Exact<{
  password: string;
}>;


export type PasswordStrengthQuery = { passwordStrength: { score: number, warning: string | null, suggestions: Array<string> } };

export type RegisterMutationVariables = Exact<{
  input: RegisterInput;
}>;


export type RegisterMutation = { register: { username: string, email: string } };

export type VerifyEmailMutationVariables = Exact<{
  token: string;
}>;


export type VerifyEmailMutation = { verifyEmail: boolean };

export type RequestEmailVerificationMutationVariables = Exact<{
  email: string;
}>;


export type RequestEmailVerificationMutation = { requestEmailVerification: boolean };

export type RequestPasswordResetMutationVariables = Exact<{
  email: string;
}>;


export type RequestPasswordResetMutation = { requestPasswordReset: boolean };

export type ResetPasswordMutationVariables = Exact<{
  token: string;
  newPassword: string;
}>;


export type ResetPasswordMutation = { resetPassword: boolean };

export type AcceptInvitationMutationVariables = Exact<{
  token: string;
  password: string;
}>;


export type AcceptInvitationMutation = { acceptInvitation: boolean };

export type MeQueryVariables = Exact<{ [key: string]: never; }>;


export type MeQuery = { me: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string } };

export type UpdateProfileMutationVariables = Exact<{
  input: UpdateProfileInput;
}>;


export type UpdateProfileMutation = { updateProfile: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string } };

export type RequestEmailChangeMutationVariables = Exact<{
  newEmail: string;
}>;


export type RequestEmailChangeMutation = { requestEmailChange: boolean };

export type ConfirmEmailChangeMutationVariables = Exact<{
  token: string;
}>;


export type ConfirmEmailChangeMutation = { confirmEmailChange: boolean };

export type DeleteAccountMutationVariables = Exact<{ [key: string]: never; }>;


export type DeleteAccountMutation = { deleteAccount: boolean };

export type MySessionsQueryVariables = Exact<{
  first?: number;
  after?: string | number | null | undefined;
}>;


export type MySessionsQuery = { mySessions: Array<{ id: string, createdAt: string, lastUsedAt: string, expiresAt: string, userAgent: string | null, ipAddress: string | null, authenticatedAt: string, authenticationMethods: Array<AuthenticationMethod>, current: boolean }> };

export type RevokeSessionMutationVariables = Exact<{
  id: string | number;
}>;


export type RevokeSessionMutation = { revokeSession: boolean };

export type RevokeOtherSessionsMutationVariables = Exact<{ [key: string]: never; }>;


export type RevokeOtherSessionsMutation = { revokeOtherSessions: number };

export type UsersQueryVariables = Exact<{
  first?: number;
  after?: string | null | undefined;
  search?: string | null | undefined;
  disabled?: boolean | null | undefined;
}>;


export type UsersQuery = { users: { nodes: Array<{ id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type UserQueryVariables = Exact<{
  id: string | number;
}>;


export type UserQuery = { user: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string } };

export type AuditEventsQueryVariables = Exact<{
  first?: number;
  after?: string | null | undefined;
  userId?: string | number | null | undefined;
  type?: AuditEventType | null | undefined;
  since?: string | null | undefined;
}>;


export type AuditEventsQuery = { auditEvents: { nodes: Array<{ id: string, at: string, type: AuditEventType, actorId: string | null, subjectId: string | null, sessionId: string | null, ipAddress: string | null, details: Record<string, unknown> }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type CreateUserMutationVariables = Exact<{
  input: CreateUserInput;
}>;


export type CreateUserMutation = { createUser: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string } };

export type UpdateUserMutationVariables = Exact<{
  id: string | number;
  input: UpdateUserInput;
}>;


export type UpdateUserMutation = { updateUser: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string } };

export type DisableUserMutationVariables = Exact<{
  id: string | number;
}>;


export type DisableUserMutation = { disableUser: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string } };

export type EnableUserMutationVariables = Exact<{
  id: string | number;
}>;


export type EnableUserMutation = { enableUser: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string } };

export type SetUserRolesMutationVariables = Exact<{
  id: string | number;
  roles: Array<Role> | Role;
}>;


export type SetUserRolesMutation = { setUserRoles: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string } };

export type DeleteUserMutationVariables = Exact<{
  id: string | number;
}>;


export type DeleteUserMutation = { deleteUser: boolean };

export type ResetMfaMutationVariables = Exact<{
  userId: string | number;
}>;


export type ResetMfaMutation = { resetMfa: { id: string, username: string, email: string, emailVerified: boolean, fullName: string | null, disabled: boolean, mfaEnabled: boolean, roles: Array<Role>, createdAt: string } };

export type RevokeUserSessionsMutationVariables = Exact<{
  id: string | number;
}>;


export type RevokeUserSessionsMutation = { revokeUserSessions: number };

export type ItemFieldsFragment = { id: string, title: string, description: string | null, createdAt: string, updatedAt: string };

export type MyItemsQueryVariables = Exact<{
  first?: number;
  after?: string | number | null | undefined;
}>;


export type MyItemsQuery = { myItems: Array<{ id: string, title: string, description: string | null, createdAt: string, updatedAt: string }> };

export type CreateItemMutationVariables = Exact<{
  input: CreateItemInput;
}>;


export type CreateItemMutation = { createItem: { id: string, title: string, description: string | null, createdAt: string, updatedAt: string } };

export type UpdateItemMutationVariables = Exact<{
  id: string | number;
  input: UpdateItemInput;
}>;


export type UpdateItemMutation = { updateItem: { id: string, title: string, description: string | null, createdAt: string, updatedAt: string } };

export type DeleteItemMutationVariables = Exact<{
  id: string | number;
}>;


export type DeleteItemMutation = { deleteItem: boolean };

export type PasskeyFieldsFragment = { id: string, name: string, synced: boolean, createdAt: string, lastUsedAt: string | null };

export type MyMfaQueryVariables = Exact<{ [key: string]: never; }>;


export type MyMfaQuery = { myMfa: { enabled: boolean, totp: boolean, passkeys: number, recoveryCodesLeft: number } };

export type MyPasskeysQueryVariables = Exact<{ [key: string]: never; }>;


export type MyPasskeysQuery = { myPasskeys: Array<{ id: string, name: string, synced: boolean, createdAt: string, lastUsedAt: string | null }> };

export type StartTotpEnrollmentMutationVariables = Exact<{ [key: string]: never; }>;


export type StartTotpEnrollmentMutation = { startTotpEnrollment: { secret: string, uri: string, qrCode: string } };

export type ConfirmTotpEnrollmentMutationVariables = Exact<{
  code: string;
}>;


export type ConfirmTotpEnrollmentMutation = { confirmTotpEnrollment: Array<string> };

export type DisableTotpMutationVariables = Exact<{ [key: string]: never; }>;


export type DisableTotpMutation = { disableTotp: boolean };

export type RegenerateRecoveryCodesMutationVariables = Exact<{ [key: string]: never; }>;


export type RegenerateRecoveryCodesMutation = { regenerateRecoveryCodes: Array<string> };

export type StartPasskeyRegistrationMutationVariables = Exact<{ [key: string]: never; }>;


export type StartPasskeyRegistrationMutation = { startPasskeyRegistration: { publicKey: Record<string, unknown>, expiresAt: string } };

export type RegisterPasskeyMutationVariables = Exact<{
  name: string;
  credential: Record<string, unknown>;
}>;


export type RegisterPasskeyMutation = { registerPasskey: { recoveryCodes: Array<string>, passkey: { id: string, name: string, synced: boolean, createdAt: string, lastUsedAt: string | null } } };

export type RenamePasskeyMutationVariables = Exact<{
  id: string | number;
  name: string;
}>;


export type RenamePasskeyMutation = { renamePasskey: { id: string, name: string, synced: boolean, createdAt: string, lastUsedAt: string | null } };

export type DeletePasskeyMutationVariables = Exact<{
  id: string | number;
}>;


export type DeletePasskeyMutation = { deletePasskey: boolean };

export const SettingsDocument = "query Settings{settings{registrationOpen passwordMinLength passwordMaxBytes mfaMethods mfaRequiredFor sendsEmail}}" as TypedText<SettingsQuery, SettingsQueryVariables>;
export const PasswordStrengthDocument = "query PasswordStrength($password:String!){passwordStrength(password:$password){score warning suggestions}}" as TypedText<PasswordStrengthQuery, PasswordStrengthQueryVariables>;
export const RegisterDocument = "mutation Register($input:RegisterInput!){register(input:$input){username email}}" as TypedText<RegisterMutation, RegisterMutationVariables>;
export const VerifyEmailDocument = "mutation VerifyEmail($token:String!){verifyEmail(token:$token)}" as TypedText<VerifyEmailMutation, VerifyEmailMutationVariables>;
export const RequestEmailVerificationDocument = "mutation RequestEmailVerification($email:String!){requestEmailVerification(email:$email)}" as TypedText<RequestEmailVerificationMutation, RequestEmailVerificationMutationVariables>;
export const RequestPasswordResetDocument = "mutation RequestPasswordReset($email:String!){requestPasswordReset(email:$email)}" as TypedText<RequestPasswordResetMutation, RequestPasswordResetMutationVariables>;
export const ResetPasswordDocument = "mutation ResetPassword($token:String!$newPassword:String!){resetPassword(token:$token newPassword:$newPassword)}" as TypedText<ResetPasswordMutation, ResetPasswordMutationVariables>;
export const AcceptInvitationDocument = "mutation AcceptInvitation($token:String!$password:String!){acceptInvitation(token:$token password:$password)}" as TypedText<AcceptInvitationMutation, AcceptInvitationMutationVariables>;
export const MeDocument = "query Me{me{...Account}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<MeQuery, MeQueryVariables>;
export const UpdateProfileDocument = "mutation UpdateProfile($input:UpdateProfileInput!){updateProfile(input:$input){...Account}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<UpdateProfileMutation, UpdateProfileMutationVariables>;
export const RequestEmailChangeDocument = "mutation RequestEmailChange($newEmail:String!){requestEmailChange(newEmail:$newEmail)}" as TypedText<RequestEmailChangeMutation, RequestEmailChangeMutationVariables>;
export const ConfirmEmailChangeDocument = "mutation ConfirmEmailChange($token:String!){confirmEmailChange(token:$token)}" as TypedText<ConfirmEmailChangeMutation, ConfirmEmailChangeMutationVariables>;
export const DeleteAccountDocument = "mutation DeleteAccount{deleteAccount}" as TypedText<DeleteAccountMutation, DeleteAccountMutationVariables>;
export const MySessionsDocument = "query MySessions($first:Int!=50$after:ID){mySessions(first:$first after:$after){id createdAt lastUsedAt expiresAt userAgent ipAddress authenticatedAt authenticationMethods current}}" as TypedText<MySessionsQuery, MySessionsQueryVariables>;
export const RevokeSessionDocument = "mutation RevokeSession($id:ID!){revokeSession(id:$id)}" as TypedText<RevokeSessionMutation, RevokeSessionMutationVariables>;
export const RevokeOtherSessionsDocument = "mutation RevokeOtherSessions{revokeOtherSessions}" as TypedText<RevokeOtherSessionsMutation, RevokeOtherSessionsMutationVariables>;
export const UsersDocument = "query Users($first:Int!=50$after:String$search:String$disabled:Boolean){users(first:$first after:$after search:$search disabled:$disabled){nodes{...Account}pageInfo{hasNextPage endCursor}}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<UsersQuery, UsersQueryVariables>;
export const UserDocument = "query User($id:ID!){user(id:$id){...Account}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<UserQuery, UserQueryVariables>;
export const AuditEventsDocument = "query AuditEvents($first:Int!=50$after:String$userId:ID$type:AuditEventType$since:DateTime){auditEvents(first:$first after:$after userId:$userId type:$type since:$since){nodes{id at type actorId subjectId sessionId ipAddress details}pageInfo{hasNextPage endCursor}}}" as TypedText<AuditEventsQuery, AuditEventsQueryVariables>;
export const CreateUserDocument = "mutation CreateUser($input:CreateUserInput!){createUser(input:$input){...Account}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<CreateUserMutation, CreateUserMutationVariables>;
export const UpdateUserDocument = "mutation UpdateUser($id:ID!$input:UpdateUserInput!){updateUser(id:$id input:$input){...Account}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<UpdateUserMutation, UpdateUserMutationVariables>;
export const DisableUserDocument = "mutation DisableUser($id:ID!){disableUser(id:$id){...Account}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<DisableUserMutation, DisableUserMutationVariables>;
export const EnableUserDocument = "mutation EnableUser($id:ID!){enableUser(id:$id){...Account}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<EnableUserMutation, EnableUserMutationVariables>;
export const SetUserRolesDocument = "mutation SetUserRoles($id:ID!$roles:[Role!]!){setUserRoles(id:$id roles:$roles){...Account}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<SetUserRolesMutation, SetUserRolesMutationVariables>;
export const DeleteUserDocument = "mutation DeleteUser($id:ID!){deleteUser(id:$id)}" as TypedText<DeleteUserMutation, DeleteUserMutationVariables>;
export const ResetMfaDocument = "mutation ResetMfa($userId:ID!){resetMfa(userId:$userId){...Account}}fragment Account on User{id username email emailVerified fullName disabled mfaEnabled roles createdAt}" as TypedText<ResetMfaMutation, ResetMfaMutationVariables>;
export const RevokeUserSessionsDocument = "mutation RevokeUserSessions($id:ID!){revokeUserSessions(id:$id)}" as TypedText<RevokeUserSessionsMutation, RevokeUserSessionsMutationVariables>;
export const MyItemsDocument = "query MyItems($first:Int!=50$after:ID){myItems(first:$first after:$after){...ItemFields}}fragment ItemFields on Item{id title description createdAt updatedAt}" as TypedText<MyItemsQuery, MyItemsQueryVariables>;
export const CreateItemDocument = "mutation CreateItem($input:CreateItemInput!){createItem(input:$input){...ItemFields}}fragment ItemFields on Item{id title description createdAt updatedAt}" as TypedText<CreateItemMutation, CreateItemMutationVariables>;
export const UpdateItemDocument = "mutation UpdateItem($id:ID!$input:UpdateItemInput!){updateItem(id:$id input:$input){...ItemFields}}fragment ItemFields on Item{id title description createdAt updatedAt}" as TypedText<UpdateItemMutation, UpdateItemMutationVariables>;
export const DeleteItemDocument = "mutation DeleteItem($id:ID!){deleteItem(id:$id)}" as TypedText<DeleteItemMutation, DeleteItemMutationVariables>;
export const MyMfaDocument = "query MyMfa{myMfa{enabled totp passkeys recoveryCodesLeft}}" as TypedText<MyMfaQuery, MyMfaQueryVariables>;
export const MyPasskeysDocument = "query MyPasskeys{myPasskeys{...PasskeyFields}}fragment PasskeyFields on Passkey{id name synced createdAt lastUsedAt}" as TypedText<MyPasskeysQuery, MyPasskeysQueryVariables>;
export const StartTotpEnrollmentDocument = "mutation StartTotpEnrollment{startTotpEnrollment{secret uri qrCode}}" as TypedText<StartTotpEnrollmentMutation, StartTotpEnrollmentMutationVariables>;
export const ConfirmTotpEnrollmentDocument = "mutation ConfirmTotpEnrollment($code:String!){confirmTotpEnrollment(code:$code)}" as TypedText<ConfirmTotpEnrollmentMutation, ConfirmTotpEnrollmentMutationVariables>;
export const DisableTotpDocument = "mutation DisableTotp{disableTotp}" as TypedText<DisableTotpMutation, DisableTotpMutationVariables>;
export const RegenerateRecoveryCodesDocument = "mutation RegenerateRecoveryCodes{regenerateRecoveryCodes}" as TypedText<RegenerateRecoveryCodesMutation, RegenerateRecoveryCodesMutationVariables>;
export const StartPasskeyRegistrationDocument = "mutation StartPasskeyRegistration{startPasskeyRegistration{publicKey expiresAt}}" as TypedText<StartPasskeyRegistrationMutation, StartPasskeyRegistrationMutationVariables>;
export const RegisterPasskeyDocument = "mutation RegisterPasskey($name:String!$credential:JSONObject!){registerPasskey(name:$name credential:$credential){passkey{...PasskeyFields}recoveryCodes}}fragment PasskeyFields on Passkey{id name synced createdAt lastUsedAt}" as TypedText<RegisterPasskeyMutation, RegisterPasskeyMutationVariables>;
export const RenamePasskeyDocument = "mutation RenamePasskey($id:ID!$name:String!){renamePasskey(id:$id name:$name){...PasskeyFields}}fragment PasskeyFields on Passkey{id name synced createdAt lastUsedAt}" as TypedText<RenamePasskeyMutation, RenamePasskeyMutationVariables>;
export const DeletePasskeyDocument = "mutation DeletePasskey($id:ID!){deletePasskey(id:$id)}" as TypedText<DeletePasskeyMutation, DeletePasskeyMutationVariables>;