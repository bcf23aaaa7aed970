import { DAY, HOUR, MINUTE } from "../../clock.js";
import type { AttemptKey, AttemptLimit } from "../../storage/attempts.js";

/** A user's count is kept until it is reset. The count of a name that no account has must expire. */
const UNKNOWN_NAME_WINDOW = 30 * DAY;

interface Limits {
  /** Per account and network. */
  pair?: AttemptLimit;
  /** Per network. */
  network?: AttemptLimit;
  /** Per account. The networks it has signed in from have a count of their own, with the same limit. */
  account?: AttemptLimit;
}

const GUESS: Limits = {
  pair: { attempts: 5, window: DAY, backOff: true },
  network: { attempts: 100, window: 15 * MINUTE },
  // NIST SP 800-63B-4, 3.2.2: at most 100 consecutive failures. Half of them are for known networks.
  account: { attempts: 50, window: Number.POSITIVE_INFINITY },
};

const LIMITS = {
  PASSWORD: GUESS,
  // Codes from an authenticator app, of which three of a million work, and mistyped recovery codes.
  CODE: GUESS,
  // Invalid refresh tokens, emailed tokens, challenges and passkeys.
  TOKEN: { network: { attempts: 300, window: 15 * MINUTE } },
  // Challenges for a sign-in with a passkey, which anyone can ask for.
  PASSKEY_OPTIONS: { network: { attempts: 300, window: 15 * MINUTE } },
  REGISTRATION: { network: { attempts: 50, window: HOUR } },
  // Requests that send an email, whatever the address.
  EMAIL: { network: { attempts: 50, window: HOUR } },
  PASSWORD_STRENGTH: { network: { attempts: 300, window: 15 * MINUTE } },
  // Each change is an audit event, which is kept for months, and an email.
  MFA: { account: { attempts: 50, window: HOUR } },
  // Each change is an audit event.
  PROFILE: { account: { attempts: 20, window: HOUR } },
} satisfies Record<string, Limits>;

/**
 * Emails of one kind to one address, whoever requests them. It backs off: the address gets few emails however many are
 * requested, and the owner's request is always served in the end.
 */
export const EMAILS_TO_ADDRESS: AttemptLimit = { attempts: 5, window: HOUR, backOff: true };

/** What is limited. */
export type AttemptKind = keyof typeof LIMITS;

/** The account of an attempt, and the network it comes from. */
export interface AttemptTarget {
  userId: string | undefined;
  /** The user's id, or the hash of a name that no account has; empty where no account is involved. */
  account: string;
  network: string;
  /** Whether the user has signed in from there before. */
  known: boolean;
}

/** The limits that apply to an attempt, with the key that each counts it under. */
export function limitsOf(
  kind: AttemptKind,
  { userId, account, network, known }: AttemptTarget,
): { key: AttemptKey; limit: AttemptLimit }[] {
  const limits: Limits = LIMITS[kind];
  const found = [];
  if (limits.pair) found.push({ key: { name: `${kind}_PAIR`, account, network }, limit: limits.pair });
  // A user in a known network is not limited by what others do there.
  if (limits.network && !known)
    found.push({ key: { name: `${kind}_NETWORK`, account: "", network }, limit: limits.network });
  if (limits.account) {
    const { window } = limits.account;
    const limit = {
      ...limits.account,
      window: userId === undefined ? Math.min(window, UNKNOWN_NAME_WINDOW) : window,
    };
    found.push({ key: accountKey(kind, { account, known }), limit });
  }
  return found;
}

/** The key for an account's attempts from all its known networks, or from all others. */
export function accountKey(
  kind: AttemptKind,
  { account, known }: Pick<AttemptTarget, "account" | "known">,
): AttemptKey {
  return { name: `${kind}_ACCOUNT${known ? "_KNOWN_NETWORK" : ""}`, account, network: "" };
}
