import { Encryption } from "../../crypto/encryption.js";
import type { Email } from "../../email/mailer.js";
import {
  accountDeleted,
  alreadyRegistered,
  confirmEmailChange,
  type EmailContent,
  emailChanged,
  invitation,
  mfaChanged,
  passwordChanged,
  resetPassword,
  usernameChanged,
  verifyEmail,
} from "../../email/templates.js";
import { type Database, inTransaction } from "../../storage/database.js";
import type { TokenPurpose } from "../../storage/one-time-tokens.js";
import { findOutboxTokens, type OutboxEmail, setOutboxTokens } from "../../storage/outbox.js";
import { findUserByLogin, listUnverifiedUserIds, lockUsers, type User } from "../../storage/users.js";
import type { IssuedOneTimeToken, OneTimeTokens } from "./one-time-tokens.js";
import type { ComposeEmail, Notice, RequestKind } from "./outbox.js";

/** Accounts on one address that one email brings links for. */
const MAX_CLAIMS = 20;
/** How many of them are the newest ones. The others take turns, so that no number of sign-ups hides an account. */
const NEWEST_CLAIMS = 10;

/** The tokens an email brought, by user id. */
type SentTokens = Record<string, IssuedOneTimeToken>;

interface Claim {
  username: string;
  token: string;
}

export interface AccountEmailsDeps {
  db: Database;
  tokens: OneTimeTokens;
  secretKey: () => string;
  appUrl: string;
}

/**
 * Composes the emails about accounts at the moment they are sent. Tokens are issued then, to users who should still get
 * one. All attempts at an email bring the same token: the mail server may have accepted one and lost its answer.
 */
export function accountEmails({ db, tokens, secretKey, appUrl }: AccountEmailsDeps): ComposeEmail {
  const encryption = () => new Encryption(secretKey(), "email tokens");

  /**
   * A token for each of the users who should still get one, oldest account first.
   * @param isEligible asked about a user who is locked
   */
  async function tokensFor(
    { id, email }: OutboxEmail,
    purpose: TokenPurpose,
    userIds: readonly string[],
    isEligible: (user: User, transaction: Database) => boolean | Promise<boolean>,
  ): Promise<Claim[]> {
    return inTransaction(db, async (transaction) => {
      const users = await lockUsers(transaction, userIds);
      // Read under the lock: a new password may have withdrawn the email.
      const stored = await findOutboxTokens(transaction, id);
      if (stored === undefined) return [];
      const sent = openTokens(encryption(), id, stored.encryptedTokens);
      const claims: Claim[] = [];
      for (const user of users.values()) {
        if (user.disabledAt !== null || !(await isEligible(user, transaction))) continue;
        const owner = { userId: user.id, email };
        const earlier = sent[user.id];
        const issued = earlier
          ? await tokens.reissue(transaction, purpose, earlier, owner)
          : await tokens.issue(transaction, purpose, owner);
        if (issued === undefined) continue;
        sent[user.id] = issued;
        claims.push({ username: user.username, token: issued.token });
      }
      await setOutboxTokens(transaction, id, encryption().encrypt(Buffer.from(JSON.stringify(sent)), id));
      return claims;
    });
  }

  /** Links for the accounts that claim an address; undefined when none does. */
  async function verification(message: OutboxEmail): Promise<EmailContent | undefined> {
    const { id, email } = message;
    const newest = await listUnverifiedUserIds(db, email, { order: "newest", limit: NEWEST_CLAIMS });
    const waiting = await listUnverifiedUserIds(db, email, {
      order: "leastRecentlyEmailed",
      limit: MAX_CLAIMS + 1,
    });
    const all = [...new Set([...newest, ...waiting])];
    // Another attempt at an email is for the same accounts.
    const stored = await findOutboxTokens(db, id);
    const earlier = Object.keys(openTokens(encryption(), id, stored?.encryptedTokens ?? null));
    const userIds = earlier.length > 0 ? earlier : all.slice(0, MAX_CLAIMS);
    const claims = await tokensFor(message, "EMAIL_VERIFICATION", userIds, (user) =>
      isUnverified(user, email),
    );
    if (claims.length === 0) return undefined;
    return verifyEmail({ appUrl, claims, complete: all.length <= MAX_CLAIMS });
  }

  async function requested(message: OutboxEmail & { kind: RequestKind }): Promise<EmailContent | undefined> {
    const { kind, email, userId } = message;
    const holder = await findUserByLogin(db, email);
    const userIds = userId === null ? [] : [userId];
    const isFree = async (transaction: Database) => (await findUserByLogin(transaction, email)) === undefined;
    switch (kind) {
      case "REGISTRATION":
        if (holder === undefined) return verification(message);
        // Verified since then, perhaps the very account that was registered: nothing to report.
        if (holder.emailVerifiedAt! > message.createdAt) return undefined;
        return alreadyRegistered({ appUrl, username: holder.username });
      case "EMAIL_VERIFICATION":
        return holder === undefined ? verification(message) : undefined;
      case "PASSWORD_RESET": {
        const holds = (user: User) => user.emailVerifiedAt !== null && user.email === email;
        const [claim] = await tokensFor(message, "PASSWORD_RESET", holder ? [holder.id] : [], holds);
        return claim && resetPassword({ appUrl, ...claim });
      }
      case "INVITATION": {
        const [claim] = await tokensFor(
          message,
          "INVITATION",
          userIds,
          async (user, transaction) => isUnverified(user, email) && (await isFree(transaction)),
        );
        return claim && invitation({ appUrl, ...claim });
      }
      case "EMAIL_CHANGE": {
        const [claim] = await tokensFor(message, "EMAIL_CHANGE", userIds, (_user, transaction) =>
          isFree(transaction),
        );
        return claim && confirmEmailChange({ appUrl, ...claim });
      }
      default:
        return unknownKind(kind);
    }
  }

  function contentOf(message: OutboxEmail): EmailContent | undefined | Promise<EmailContent | undefined> {
    const notice = message as unknown as Notice;
    switch (notice.kind) {
      case "EMAIL_CHANGED":
        return emailChanged({ appUrl, ...notice.facts });
      case "MFA_CHANGED":
        return mfaChanged({ appUrl, ...notice.facts });
      case "USERNAME_CHANGED":
        return usernameChanged({ appUrl, ...notice.facts });
      case "PASSWORD_CHANGED":
        return passwordChanged({ appUrl, ...notice.facts });
      case "ACCOUNT_DELETED":
        return accountDeleted(notice.facts);
      default:
        return requested(message as OutboxEmail & { kind: RequestKind });
    }
  }

  return async (message): Promise<Email | undefined> => {
    const content = await contentOf(message);
    return content && { to: message.email, ...content };
  };
}

function isUnverified(user: User, email: string): boolean {
  return user.emailVerifiedAt === null && user.email === email;
}

/** The tokens of an earlier attempt; none when there was no attempt, or SECRET_KEY has changed since. */
function openTokens(encryption: Encryption, id: string, encrypted: string | null): SentTokens {
  const opened = encrypted === null ? undefined : encryption.decrypt(encrypted, id);
  return opened === undefined ? {} : (JSON.parse(opened.toString()) as SentTokens);
}

/** A newer version that shares the database may know the kind, so the email stays in the outbox. */
function unknownKind(kind: never): never {
  throw new Error(`This version does not know the kind of email ${JSON.stringify(kind)}.`);
}
