import { DAY, HOUR, MINUTE } from "../../clock.js";
import type { AttemptKey, AttemptLimit } from "../../storage/attempts.js";

/** A user's count stays until it is reset; one of a name that nobody has must go some time. */
const UNKNOWN_NAME_WINDOW = 30 * DAY;

interface Limits {
  /** Of an account from one network. */
  pair?: AttemptLimit;
  /** Of a network. */
  network?: AttemptLimit;
  /** Of an account: as much again for the networks it has signed in from. */
  account?: AttemptLimit;
}

const LIMITS = {
  // NIST SP 800-63B-4, 3.2.2: no more than 100 failures in a row, here half of them from networks that are known.
  PASSWORD: {
    pair: { attempts: 5, window: DAY, backOff: true },
    network: { attempts: 100, window: 15 * MINUTE },
    account: { attempts: 50, window: Number.POSITIVE_INFINITY },
  },
  // Refresh tokens and tokens from emails that are no good.
  TOKEN: { network: { attempts: 300, window: 15 * MINUTE } },
  REGISTRATION: { network: { attempts: 50, window: HOUR } },
  // Requests that send an email, whatever the address.
  EMAIL: { network: { attempts: 50, window: HOUR } },
  PASSWORD_STRENGTH: { network: { attempts: 300, window: 15 * MINUTE } },
  // Each is an audit event, which is kept for months.
  PROFILE: { account: { attempts: 20, window: HOUR } },
} satisfies Record<string, Limits>;

/**
 * Emails of one kind to one address, whoever asks for them. It backs off: however many are asked for, the address gets
 * few, and the owner gets one in the end.
 */
export const EMAILS_TO_ADDRESS: AttemptLimit = { attempts: 5, window: HOUR, backOff: true };

/** What is limited. */
export type AttemptKind = keyof typeof LIMITS;

/** Which account is tried, and from where. */
export interface AttemptTarget {
  userId: string | undefined;
  /** The user's id, or what stands for a name that nobody has; empty where no account is tried. */
  account: string;
  network: string;
  /** Whether the user has signed in from there before. */
  known: boolean;
}

/** The limits that hold for an attempt, and what each counts it under. */
export function limitsOf(
  kind: AttemptKind,
  { userId, account, network, known }: AttemptTarget,
): { key: AttemptKey; limit: AttemptLimit }[] {
  const limits: Limits = LIMITS[kind];
  const found = [];
  if (limits.pair) found.push({ key: { name: `${kind}_PAIR`, account, network }, limit: limits.pair });
  // A user from a known network is not held back for what others do there.
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

/** What an account's attempts are counted under, from all networks that are known, or from all others. */
export function accountKey(
  kind: AttemptKind,
  { account, known }: Pick<AttemptTarget, "account" | "known">,
): AttemptKey {
  return { name: `${kind}_ACCOUNT${known ? "_KNOWN_NETWORK" : ""}`, account, network: "" };
}
