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
  mutation Refresh($refreshToken: String!) {
    refreshToken(refreshToken: $refreshToken) {
      accessToken tokenType expiresIn expiresAt refreshToken user { id username }
    }
  }
`);

export const LOGOUT = graphql(`
  mutation Logout {
    logout
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
  mutation RequestEmailChange($newEmail: String!, $currentPassword: String!) {
    requestEmailChange(newEmail: $newEmail, currentPassword: $currentPassword)
  }
`);

export const CONFIRM_EMAIL_CHANGE = graphql(`
  mutation ConfirmEmailChange($token: String!) {
    confirmEmailChange(token: $token)
  }
`);

export const DELETE_ACCOUNT = graphql(`
  mutation DeleteAccount($password: String!) {
    deleteAccount(password: $password)
  }
`);
