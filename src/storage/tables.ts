/** Row types, as both databases hold them. Times are epoch milliseconds; ids are UUIDv7 text. */
export interface Tables {
  users: UserRow;
  credentials: CredentialRow;
  sessions: SessionRow;
  items: ItemRow;
  signing_keys: SigningKeyRow;
  audit_events: AuditEventRow;
  jobs: JobRow;
  one_time_tokens: OneTimeTokenRow;
  outbox: OutboxRow;
  locks: { name: string };
  attempts: AttemptRow;
  known_networks: KnownNetworkRow;
  totp_secrets: TotpSecretRow;
  recovery_codes: RecoveryCodeRow;
  passkeys: PasskeyRow;
  challenges: ChallengeRow;
}

export interface UserRow {
  id: string;
  /** Lower case; unique. */
  username: string;
  /** Lower case; unique among those that are verified. */
  email: string;
  email_verified_at: number | null;
  full_name: string | null;
  disabled_at: number | null;
  /** A JSON array of role names. */
  roles: string;
  created_at: number;
  updated_at: number;
  /** Set on a deleted account, until what belonged to it is removed as well. */
  deleted_at: number | null;
  /** The second factors the user can sign in with, separated by spaces; empty without one. */
  mfa_methods: string;
}

interface CredentialRow {
  user_id: string;
  password_hash: string;
  updated_at: number;
}

export interface SessionRow {
  id: string;
  user_id: string;
  created_at: number;
  last_used_at: number;
  /** When it ends unless it is refreshed before. */
  expires_at: number;
  /** When it ends however often it is refreshed. */
  absolute_expires_at: number;
  ended_at: number | null;
  user_agent: string | null;
  ip_address: string | null;
  /** When the user last proved who they are. */
  authenticated_at: number;
  /** How: names of RFC 8176, separated by spaces. */
  authentication_methods: string;
  /** SHA-256 of what all refresh tokens of the session have in common, base64url. Unique. */
  refresh_family_hash: string | null;
  /** SHA-256 of the current refresh token, base64url. */
  refresh_token_hash: string | null;
  /** A JSON array of the latest consumed ones; null when there are none. */
  consumed_refresh_tokens: string | null;
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
  /** The private key as PKCS #8 PEM, sealed under SECRET_KEY. */
  sealed_private_key: string;
  created_at: number;
  /** When the next key takes over signing; null for the newest. */
  superseded_at: number | null;
  /** The longest lifetime of the tokens it signs, in milliseconds. */
  token_lifetime: number;
}

export interface AuditEventRow {
  id: string;
  at: number;
  type: string;
  /** Who did it: a user, or null for an operator or nobody known. */
  actor_id: string | null;
  /** Whom it was done to. */
  subject_id: string | null;
  session_id: string | null;
  ip_address: string | null;
  /** A JSON object: what changed. */
  details: string;
}

interface JobRow {
  name: string;
  /** Until then no other process runs it. */
  locked_until: number;
}

interface OneTimeTokenRow {
  /** SHA-256 of the token, base64url. */
  token_hash: string;
  user_id: string;
  purpose: string;
  /** The address it was sent to, which using it proves to be the user's. */
  email: string;
  expires_at: number;
  used_at: number | null;
}

/** An email to be sent: what it is about, not yet what it says, so that no token is in it. */
export interface OutboxRow {
  id: string;
  kind: string;
  /** Whom to send it to. */
  email: string;
  user_id: string | null;
  /** A JSON object: what the email says happened, such as a username. */
  facts: string;
  /** The tokens it brings, encrypted under SECRET_KEY, for the next try to send the same; null before the first. */
  encrypted_tokens: string | null;
  created_at: number;
  next_attempt_at: number;
  attempts: number;
}

/** How often something was tried. */
interface AttemptRow {
  /** Of the limit. */
  name: string;
  /** A user's id, or what stands for a name that nobody has; empty for all. */
  account: string;
  /** An IP address, or the /64 of one of IPv6; empty for all. */
  network: string;
  count: number;
  /** Until then more are refused. */
  next_at: number;
  /** Then the count starts anew. */
  expires_at: number;
}

/** Where a user has signed in from. */
interface KnownNetworkRow {
  user_id: string;
  network: string;
  expires_at: number;
}

/** The secret of a user's authenticator app. */
interface TotpSecretRow {
  user_id: string;
  /** Encrypted under SECRET_KEY. */
  encrypted_secret: string;
  /** Null until the user has entered a first code. */
  confirmed_at: number | null;
  /** The latest time step whose code was accepted (RFC 6238, 5.2). */
  last_step: number;
}

/** A recovery code that has not been used. */
interface RecoveryCodeRow {
  user_id: string;
  /** SHA-256 of the code, base64url. */
  code_hash: string;
}

/** A WebAuthn credential. */
export interface PasskeyRow {
  id: string;
  user_id: string;
  /** The id that the authenticator chose, base64url. */
  credential_id: string;
  /** As COSE, base64url. */
  public_key: string;
  /** The signature counter of its latest use; 0 for ever if the authenticator has none. */
  counter: number;
  /** How to reach the authenticator, separated by spaces. */
  transports: string;
  /** 1 when it is synced between devices. */
  synced: number;
  name: string;
  created_at: number;
  last_used_at: number | null;
}

/** What a client has to answer: with a second factor, or with a passkey. */
interface ChallengeRow {
  /** SHA-256 of the challenge, base64url. */
  challenge_hash: string;
  purpose: string;
  /** The user it was issued to; null for a sign-in with a passkey alone, which identifies the user. */
  user_id: string | null;
  expires_at: number;
}
