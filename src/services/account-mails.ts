import type { Mail } from "../mail/mailer.js";
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
} from "../mail/templates.js";
import { type Database, inTransaction } from "../storage/database.js";
import type { TokenPurpose } from "../storage/one-time-tokens.js";
import { findUnverifiedUserByEmail, findUserById, findUserByLogin, type User } from "../storage/users.js";
import type { OneTimeTokens } from "./one-time-tokens.js";
import type { ComposeMail, MailIntent } from "./outbox.js";

/** Writes the mails about accounts, when they are sent: what is true then decides, and no token exists before. */
export function accountMails({
  db,
  tokens,
  appUrl,
}: {
  db: Database;
  tokens: OneTimeTokens;
  appUrl: string;
}): ComposeMail {
  async function withToken(user: User, purpose: TokenPurpose, email: string, write: typeof verifyEmail) {
    const token = await inTransaction(db, (transaction) =>
      tokens.issue(transaction, purpose, { userId: user.id, email }),
    );
    return write({ appUrl, username: user.username, token });
  }

  async function letterFor({ kind, email, userId }: MailIntent): Promise<Letter | undefined> {
    if (kind === "ACCOUNT_DELETED") return accountDeleted({});
    const user = userId === null ? undefined : await findUserById(db, userId);
    const holder = await findUserByLogin(db, email);
    switch (kind) {
      case "REGISTRATION":
        if (holder !== undefined) return alreadyRegistered({ appUrl, username: holder.username });
        return user && withToken(user, "EMAIL_VERIFICATION", email, verifyEmail);
      case "EMAIL_VERIFICATION": {
        const waiting = holder ? undefined : await findUnverifiedUserByEmail(db, email);
        return waiting && withToken(waiting, "EMAIL_VERIFICATION", email, verifyEmail);
      }
      case "PASSWORD_RESET":
        if (holder === undefined || holder.disabledAt !== null) return undefined;
        return withToken(holder, "PASSWORD_RESET", email, resetPassword);
      case "INVITATION":
        return user && withToken(user, "INVITATION", email, invitation);
      case "EMAIL_CHANGE":
        return holder || !user ? undefined : withToken(user, "EMAIL_CHANGE", email, confirmEmailChange);
      case "EMAIL_CHANGED":
        return user && emailChanged({ appUrl, username: user.username, newEmail: user.email });
      case "USERNAME_CHANGED":
        return user && usernameChanged({ appUrl, username: user.username });
      case "PASSWORD_CHANGED":
        return user && passwordChanged({ appUrl, username: user.username });
      default:
        return kind satisfies never;
    }
  }

  return async (intent): Promise<Mail | undefined> => {
    const letter = await letterFor(intent);
    return letter && { to: intent.email, ...letter };
  };
}
