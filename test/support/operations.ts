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
  query MySessions {
    mySessions { id createdAt lastUsedAt expiresAt userAgent ipAddress current }
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
