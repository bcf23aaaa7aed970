import { graphql } from "../gql/index.js";

export const LOGIN = graphql(`
  mutation Login($username: String!, $password: String!) {
    login(username: $username, password: $password) {
      accessToken
      tokenType
      expiresIn
      expiresAt
      refreshToken
      user { id username email emailVerified fullName disabled roles createdAt }
    }
  }
`);

export const SETTINGS = graphql(`
  query Settings {
    settings { registrationOpen passwordMinLength passwordMaxBytes mfaMethods mfaRequiredFor sendsEmail }
  }
`);

export const ME = graphql(`
  query Me {
    me { id username email emailVerified fullName disabled roles createdAt }
  }
`);

export const MY_ITEMS = graphql(`
  query MyItems($first: Int! = 50, $after: ID) {
    myItems(first: $first, after: $after) {
      id title description owner { id username } createdAt updatedAt
    }
  }
`);

export const CREATE_ITEM = graphql(`
  mutation CreateItem($input: CreateItemInput!) {
    createItem(input: $input) { id title description owner { username } createdAt updatedAt }
  }
`);

export const UPDATE_ITEM = graphql(`
  mutation UpdateItem($id: ID!, $input: UpdateItemInput!) {
    updateItem(id: $id, input: $input) { id title description createdAt updatedAt }
  }
`);

export const DELETE_ITEM = graphql(`
  mutation DeleteItem($id: ID!) {
    deleteItem(id: $id)
  }
`);

export const REFRESH = graphql(`
  mutation Refresh($refreshToken: String) {
    refreshToken(refreshToken: $refreshToken) {
      accessToken tokenType expiresIn expiresAt refreshToken user { id username }
    }
  }
`);

export const LOGOUT = graphql(`
  mutation Logout($refreshToken: String) {
    logout(refreshToken: $refreshToken)
  }
`);

export const MY_SESSIONS = graphql(`
  query MySessions($first: Int! = 50, $after: ID) {
    mySessions(first: $first, after: $after) { id createdAt lastUsedAt expiresAt userAgent ipAddress authenticatedAt authenticationMethods current }
  }
`);

export const REVOKE_SESSION = graphql(`
  mutation RevokeSession($id: ID!) {
    revokeSession(id: $id)
  }
`);

export const REVOKE_OTHER_SESSIONS = graphql(`
  mutation RevokeOtherSessions {
    revokeOtherSessions
  }
`);

export const REGISTER = graphql(`
  mutation Register($input: RegisterInput!) {
    register(input: $input) { username email }
  }
`);

export const VERIFY_EMAIL = graphql(`
  mutation VerifyEmail($token: String!) {
    verifyEmail(token: $token)
  }
`);

export const REQUEST_EMAIL_VERIFICATION = graphql(`
  mutation RequestEmailVerification($email: String!) {
    requestEmailVerification(email: $email)
  }
`);

export const REQUEST_PASSWORD_RESET = graphql(`
  mutation RequestPasswordReset($email: String!) {
    requestPasswordReset(email: $email)
  }
`);

export const RESET_PASSWORD = graphql(`
  mutation ResetPassword($token: String!, $newPassword: String!) {
    resetPassword(token: $token, newPassword: $newPassword)
  }
`);

export const ACCEPT_INVITATION = graphql(`
  mutation AcceptInvitation($token: String!, $password: String!) {
    acceptInvitation(token: $token, password: $password)
  }
`);

export const PASSWORD_STRENGTH = graphql(`
  query PasswordStrength($password: String!) {
    passwordStrength(password: $password) { score warning suggestions }
  }
`);

export const UPDATE_PROFILE = graphql(`
  mutation UpdateProfile($input: UpdateProfileInput!) {
    updateProfile(input: $input) { username fullName }
  }
`);

export const CHANGE_PASSWORD = graphql(`
  mutation ChangePassword($currentPassword: String!, $newPassword: String!) {
    changePassword(currentPassword: $currentPassword, newPassword: $newPassword) {
      accessToken refreshToken user { username }
    }
  }
`);

export const REQUEST_EMAIL_CHANGE = graphql(`
  mutation RequestEmailChange($newEmail: String!) {
    requestEmailChange(newEmail: $newEmail)
  }
`);

export const CONFIRM_EMAIL_CHANGE = graphql(`
  mutation ConfirmEmailChange($token: String!) {
    confirmEmailChange(token: $token)
  }
`);

export const DELETE_ACCOUNT = graphql(`
  mutation DeleteAccount {
    deleteAccount
  }
`);

export const SIGN_IN = graphql(`
  mutation SignIn($username: String!, $password: String!) {
    signIn(username: $username, password: $password) {
      __typename
      ... on Token { accessToken refreshToken user { username } }
      ... on MfaChallenge { challenge methods expiresAt }
    }
  }
`);

export const VERIFY_TOTP = graphql(`
  mutation VerifyTotp($challenge: String!, $code: String!) {
    verifyTotp(challenge: $challenge, code: $code) { accessToken refreshToken user { username mfaEnabled } }
  }
`);

export const VERIFY_RECOVERY_CODE = graphql(`
  mutation VerifyRecoveryCode($challenge: String!, $code: String!) {
    verifyRecoveryCode(challenge: $challenge, code: $code) { accessToken refreshToken user { username } }
  }
`);

export const REAUTHENTICATE = graphql(`
  mutation Reauthenticate($password: String, $code: String) {
    reauthenticate(password: $password, code: $code) { accessToken expiresIn refreshToken user { username } }
  }
`);

export const MY_MFA = graphql(`
  query MyMfa {
    myMfa { enabled totp passkeys recoveryCodesLeft }
  }
`);

export const START_TOTP = graphql(`
  mutation StartTotpEnrollment {
    startTotpEnrollment { secret uri qrCode }
  }
`);

export const CONFIRM_TOTP = graphql(`
  mutation ConfirmTotpEnrollment($code: String!) {
    confirmTotpEnrollment(code: $code)
  }
`);

export const DISABLE_TOTP = graphql(`
  mutation DisableTotp {
    disableTotp
  }
`);

export const REGENERATE_RECOVERY_CODES = graphql(`
  mutation RegenerateRecoveryCodes {
    regenerateRecoveryCodes
  }
`);

export const PASSKEY_OPTIONS = graphql(`
  mutation PasskeyOptions($challenge: String) {
    passkeyOptions(challenge: $challenge) { publicKey expiresAt }
  }
`);

export const VERIFY_PASSKEY = graphql(`
  mutation VerifyPasskey($challenge: String, $credential: JSONObject!) {
    verifyPasskey(challenge: $challenge, credential: $credential) { accessToken refreshToken user { username } }
  }
`);

export const START_PASSKEY_REGISTRATION = graphql(`
  mutation StartPasskeyRegistration {
    startPasskeyRegistration { publicKey expiresAt }
  }
`);

export const REGISTER_PASSKEY = graphql(`
  mutation RegisterPasskey($name: String!, $credential: JSONObject!) {
    registerPasskey(name: $name, credential: $credential) {
      passkey { id name synced createdAt lastUsedAt }
      recoveryCodes
    }
  }
`);

export const MY_PASSKEYS = graphql(`
  query MyPasskeys {
    myPasskeys { id name synced createdAt lastUsedAt }
  }
`);

export const RENAME_PASSKEY = graphql(`
  mutation RenamePasskey($id: ID!, $name: String!) {
    renamePasskey(id: $id, name: $name) { id name }
  }
`);

export const DELETE_PASSKEY = graphql(`
  mutation DeletePasskey($id: ID!) {
    deletePasskey(id: $id)
  }
`);

export const START_PASSKEY_REAUTHENTICATION = graphql(`
  mutation StartPasskeyReauthentication {
    startPasskeyReauthentication { publicKey expiresAt }
  }
`);

export const REAUTHENTICATE_WITH_PASSKEY = graphql(`
  mutation ReauthenticateWithPasskey($passkey: JSONObject!) {
    reauthenticate(passkey: $passkey) { accessToken refreshToken user { username } }
  }
`);
