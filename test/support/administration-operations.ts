import { graphql } from "../gql/index.js";

export const USERS = graphql(`
  query Users($first: Int! = 50, $after: String, $search: String, $disabled: Boolean) {
    users(first: $first, after: $after, search: $search, disabled: $disabled) {
      edges { cursor node { id } }
      nodes { id username }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`);

export const USERS_WITH_ITEMS = graphql(`
  query UsersWithItems($first: Int! = 50, $items: Int! = 50) {
    users(first: $first) {
      nodes { id username items(first: $items) { id title owner { username } } }
    }
  }
`);

export const USER = graphql(`
  query User($id: ID!) {
    user(id: $id) { id username email emailVerified fullName disabled roles createdAt }
  }
`);

export const MY_ITEMS_AS_USER = graphql(`
  query MyItemsAsUser($first: Int! = 50) {
    me { items(first: $first) { id title owner { username } } }
  }
`);

export const LOGIN_WITH_ITEMS = graphql(`
  mutation LoginWithItems($username: String!, $password: String!) {
    login(username: $username, password: $password) { user { items { id } } }
  }
`);

export const AUDIT_EVENTS = graphql(`
  query AuditEvents(
    $first: Int! = 50, $after: String, $userId: ID, $type: AuditEventType, $since: DateTime
  ) {
    auditEvents(first: $first, after: $after, userId: $userId, type: $type, since: $since) {
      edges { cursor }
      nodes { id at type actorId subjectId sessionId ipAddress details }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`);

export const CREATE_USER = graphql(`
  mutation CreateUser($input: CreateUserInput!) {
    createUser(input: $input) { id username email emailVerified fullName disabled roles createdAt }
  }
`);

export const UPDATE_USER = graphql(`
  mutation UpdateUser($id: ID!, $input: UpdateUserInput!) {
    updateUser(id: $id, input: $input) { id username email emailVerified fullName }
  }
`);

export const DISABLE_USER = graphql(`
  mutation DisableUser($id: ID!) {
    disableUser(id: $id) { id disabled }
  }
`);

export const ENABLE_USER = graphql(`
  mutation EnableUser($id: ID!) {
    enableUser(id: $id) { id disabled }
  }
`);

export const SET_USER_ROLES = graphql(`
  mutation SetUserRoles($id: ID!, $roles: [Role!]!) {
    setUserRoles(id: $id, roles: $roles) { id roles }
  }
`);

export const DELETE_USER = graphql(`
  mutation DeleteUser($id: ID!) {
    deleteUser(id: $id)
  }
`);

export const REVOKE_USER_SESSIONS = graphql(`
  mutation RevokeUserSessions($id: ID!) {
    revokeUserSessions(id: $id)
  }
`);

export const RESET_MFA = graphql(`
  mutation ResetMfa($userId: ID!) {
    resetMfa(userId: $userId) { id mfaEnabled }
  }
`);
