/** Row types, as both databases hold them. Times are epoch milliseconds; ids are UUIDv7 text. */
export interface Tables {
  users: UserRow;
  credentials: CredentialRow;
  sessions: SessionRow;
  items: ItemRow;
  signing_keys: SigningKeyRow;
}

export interface UserRow {
  id: string;
  /** Lower case; unique. */
  username: string;
  /** Lower case; unique. */
  email: string;
  email_verified_at: number | null;
  full_name: string | null;
  disabled_at: number | null;
  /** A JSON array of role names. */
  roles: string;
  created_at: number;
  updated_at: number;
}

export interface CredentialRow {
  user_id: string;
  password_hash: string;
  updated_at: number;
}

export interface SessionRow {
  id: string;
  user_id: string;
  created_at: number;
  ended_at: number | null;
}

export interface ItemRow {
  id: string;
  owner_id: string;
  title: string;
  description: string | null;
  created_at: number;
  updated_at: number;
}

export interface SigningKeyRow {
  /** The key's RFC 7638 thumbprint. */
  kid: string;
  algorithm: string;
  /** The public JWK (RFC 7517) as JSON. */
  public_jwk: string;
  /** The private key as PKCS #8, sealed under SECRET_KEY. */
  sealed_private_key: string;
  created_at: number;
}
