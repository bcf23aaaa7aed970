import encodeQR from "qr";
import type { Clock } from "../../clock.js";
import { totpUri } from "../../crypto/totp.js";
import { LatchkeyError } from "../../errors.js";
import { type Database, inTransaction } from "../../storage/database.js";
import {
  confirmTotpSecret,
  deleteTotpSecret,
  findTotpSecret,
  proposeTotpSecret,
} from "../../storage/totp-secrets.js";
import type { Outbox } from "../email/outbox.js";
import { RECENTLY } from "../sessions/recent-authentication.js";
import type { Sessions } from "../sessions/sessions.js";
import { type Actor, authorize, changedBy } from "../sessions/viewer.js";
import type { Factors } from "./factors.js";
import { CODE_METHODS, type TotpSecrets, wrongCode } from "./totp-secrets.js";

/** What an authenticator app needs to know. */
export interface TotpEnrollment {
  /** In base32. */
  secret: string;
  /** `otpauth:` */
  uri: string;
  /** The URI as a QR code: an SVG image as a data URI. */
  qrCode: string;
}

export interface AuthenticatorAppDeps {
  db: Database;
  clock: Clock;
  secrets: TotpSecrets;
  factors: Factors;
  sessions: Sessions;
  outbox: Outbox;
  /** The name of the service in the app. */
  issuer: string;
}

/** A user's authenticator app (TOTP, RFC 6238): adding and removing it. */
export class AuthenticatorApp {
  constructor(private readonly deps: AuthenticatorAppDeps) {}

  /**
   * Makes a secret for an authenticator app. It is no factor before `confirm`; starting again replaces it.
   * @throws UNAUTHENTICATED; CONFLICT when the user has an app already
   */
  async start(actor: Actor): Promise<TotpEnrollment> {
    const now = this.deps.clock.now();
    const { secret, encryptedSecret } = this.deps.secrets.generate(actor.userId);
    const { username } = await inTransaction(this.deps.db, async (transaction) => {
      const { user } = await authorize(transaction, actor, { now, ...RECENTLY });
      if (!(await proposeTotpSecret(transaction, { userId: user.id, encryptedSecret }))) {
        throw new LatchkeyError("CONFLICT", "You have an authenticator app already. Remove it first.", {
          field: "totp",
        });
      }
      return user;
    });
    const uri = totpUri(secret, { issuer: this.deps.issuer, account: username });
    const svg = encodeQR(uri, "svg");
    return { secret, uri, qrCode: `data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}` };
  }

  /**
   * Makes the app a second factor, with a code that it shows.
   * @returns the recovery codes; none when the user has had them before
   * @throws UNAUTHENTICATED, INVALID_CREDENTIALS; NOT_FOUND when no app is waiting to be confirmed
   */
  async confirm(actor: Actor, code: string): Promise<string[]> {
    const codes = await inTransaction(this.deps.db, async (transaction) => {
      const now = this.deps.clock.now();
      const { user, session } = await authorize(transaction, actor, { now, ...RECENTLY });
      const stored = await findTotpSecret(transaction, user.id);
      if (stored?.confirmedAt !== null) {
        throw new LatchkeyError(
          "NOT_FOUND",
          "There is no authenticator app to confirm. Start with `startTotpEnrollment`.",
        );
      }
      const step = this.deps.secrets.stepOf(stored, code, now);
      if (step === undefined) throw wrongCode();
      await confirmTotpSecret(transaction, { userId: user.id, step, now });
      // The user has just used the factor in this session.
      await this.deps.sessions.renew(transaction, session, CODE_METHODS);
      return this.deps.factors.added(transaction, user, "TOTP_ENABLED", changedBy(actor));
    });
    this.deps.outbox.wake();
    return codes;
  }

  /** Removes the app, or does nothing without one. @throws UNAUTHENTICATED */
  async remove(actor: Actor): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      const { user } = await authorize(transaction, actor, { now: this.deps.clock.now(), ...RECENTLY });
      if (!(await deleteTotpSecret(transaction, user.id))) return;
      await this.deps.factors.removed(transaction, user, "TOTP_DISABLED", changedBy(actor));
    });
    this.deps.outbox.wake();
  }
}
