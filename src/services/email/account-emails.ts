import { Encryption } from "../../crypto/encryption.js";
import type { Email } from "../../email/mailer.js";
import {
  accountDeleted,
  alreadyRegistered,
  confirmEmailChange,
  emailChanged,
  invitation,
  type Letter,
  passwordChanged,
  resetPassword,
  usernameChanged,
  verifyEmail,
} from "../../email/templates.js";
import { type Database, inTransaction } from "../../storage/database.js";
import type { TokenPurpose } from "../../storage/one-time-tokens.js";
import { findOutboxTokens, type OutboxEmail, setOutboxTokens } from "../../storage/outbox.js";
import {
  findUserById,
  findUserByLogin,
  listUnverifiedUsersByEmail,
  lockUsers,
  type User,
} from "../../storage/users.js";
import type { IssuedOneTimeToken, OneTimeTokens } from "./one-time-tokens.js";
import type { ComposeEmail, Notice, RequestKind } from "./outbox.js";

/** Accounts on one address that an email brings links for; more were not registered by people. */
const MAX_CLAIMS = 20;

/** By the user's id. */
type SentTokens = Record<string, IssuedOneTimeToken>;

interface Claim {
  username: string;
  token: string;
}

/**
 * Writes the emails about accounts when they are sent. What is true then decides whether an email brings a token, which
 * exists from then on, and which all tries of the email share: a mail server may have accepted one and not said so.
 */
export function accountEmails({
  db,
  tokens,
  secretKey,
  appUrl,
}: {
  db: Database;
  tokens: OneTimeTokens;
  secretKey: () => string;
  appUrl: string;
}): ComposeEmail {
  /**
   * A token for each of the users whom it is still for.
   * @param stillFor asked of a user who is locked
   */
  async function tokensFor(
    { id, email }: OutboxEmail,
    purpose: TokenPurpose,
    users: readonly User[],
    stillFor: (user: User, transaction: Database) => boolean | Promise<boolean>,
  ): Promise<Claim[]> {
    const encryption = new Encryption(secretKey(), "email tokens");
    return inTransaction(db, async (transaction) => {
      const locked = await lockUsers(
        transaction,
        users.map((user) => user.id),
      );
      // Looked up under the lock: a new password may have withdrawn the email.
      const stored = await findOutboxTokens(transaction, id);
      if (stored === undefined) return [];
      const sent = openTokens(encryption, id, stored.encryptedTokens);
      const claims: Claim[] = [];
      for (const user of users.flatMap((user) => locked.get(user.id) ?? [])) {
        if (user.disabledAt !== null || !(await stillFor(user, transaction))) continue;
        const owner = { userId: user.id, email };
        const earlier = sent[user.id];
        const issued = earlier
          ? await tokens.issueAgain(transaction, purpose, earlier, owner)
          : await tokens.issue(transaction, purpose, owner);
        if (issued === undefined) continue;
        sent[user.id] = issued;
        claims.push({ username: user.username, token: issued.token });
      }
      await setOutboxTokens(transaction, id, encryption.encrypt(Buffer.from(JSON.stringify(sent)), id));
      return claims;
    });
  }

  async function requested(message: OutboxEmail & { kind: RequestKind }): Promise<Letter | undefined> {
    const { kind, email, userId } = message;
    const user = userId === null ? undefined : await findUserById(db, userId);
    const users = user ? [user] : [];
    const holder = await findUserByLogin(db, email);
    const isUnverified = (user: User) => user.emailVerifiedAt === null && user.email === email;
    const isFree = async (transaction: Database) => (await findUserByLogin(transaction, email)) === undefined;
    switch (kind) {
      case "REGISTRATION": {
        if (holder !== undefined) return alreadyRegistered({ appUrl, username: holder.username });
        const claims = await tokensFor(message, "EMAIL_VERIFICATION", users, isUnverified);
        return claims.length > 0 ? verifyEmail({ appUrl, claims }) : undefined;
      }
      case "EMAIL_VERIFICATION": {
        const unverified = holder ? [] : await listUnverifiedUsersByEmail(db, email, MAX_CLAIMS);
        const claims = await tokensFor(message, "EMAIL_VERIFICATION", unverified, isUnverified);
        return claims.length > 0 ? verifyEmail({ appUrl, claims }) : undefined;
      }
      case "PASSWORD_RESET": {
        const holds = (user: User) => user.emailVerifiedAt !== null && user.email === email;
        const [claim] = await tokensFor(message, "PASSWORD_RESET", holder ? [holder] : [], holds);
        return claim && resetPassword({ appUrl, ...claim });
      }
      case "INVITATION": {
        const [claim] = await tokensFor(
          message,
          "INVITATION",
          users,
          async (user, transaction) => isUnverified(user) && (await isFree(transaction)),
        );
        return claim && invitation({ appUrl, ...claim });
      }
      case "EMAIL_CHANGE": {
        const [claim] = await tokensFor(message, "EMAIL_CHANGE", users, (_user, transaction) =>
          isFree(transaction),
        );
        return claim && confirmEmailChange({ appUrl, ...claim });
      }
      default:
        return unknownKind(kind);
    }
  }

  function letterFor(message: OutboxEmail): Letter | undefined | Promise<Letter | undefined> {
    const notice = message as unknown as Notice;
    switch (notice.kind) {
      case "EMAIL_CHANGED":
        return emailChanged({ appUrl, ...notice.facts });
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
    const letter = await letterFor(message);
    return letter && { to: message.email, ...letter };
  };
}

/** What an earlier try sent; nothing when there was none, or SECRET_KEY was another. */
function openTokens(encryption: Encryption, id: string, encrypted: string | null): SentTokens {
  const opened = encrypted === null ? undefined : encryption.decrypt(encrypted, id);
  return opened === undefined ? {} : (JSON.parse(opened.toString()) as SentTokens);
}

/** A newer version that shares the database may know it: the email stays. */
function unknownKind(kind: never): never {
  throw new Error(`This version does not know the kind of email ${JSON.stringify(kind)}.`);
}
