import type { Clock, NewId } from "../../clock.js";
import type { Attestation } from "../../crypto/passkey-responses.js";
import type { PublicKeyOptions, RelyingParty } from "../../crypto/relying-party.js";
import { LatchkeyError } from "../../errors.js";
import { type Database, inTransaction } from "../../storage/database.js";
import {
  deletePasskey,
  insertPasskey,
  listPasskeys,
  type Passkey,
  renamePasskey,
} from "../../storage/passkeys.js";
import type { AuthenticationMethod } from "../../storage/sessions.js";
import type { Outbox } from "../email/outbox.js";
import { RECENTLY } from "../sessions/recent-authentication.js";
import type { Sessions } from "../sessions/sessions.js";
import { type Actor, authorize, changedBy } from "../sessions/viewer.js";
import { type Challenges, invalidChallenge } from "./challenges.js";
import type { Factors } from "./factors.js";

/** Enough for every device of a user. Bounds the size of the options, which list them all. */
export const MAX_PASSKEYS = 20;

/** What a browser needs to create or use a passkey. */
export interface PasskeyOptions {
  publicKey: PublicKeyOptions;
  /** When the challenge in it expires, in epoch milliseconds. */
  expiresAt: number;
}

export interface PasskeysDeps {
  db: Database;
  clock: Clock;
  newId: NewId;
  challenges: Challenges;
  relyingParty: RelyingParty;
  factors: Factors;
  sessions: Sessions;
  outbox: Outbox;
}

/** A user's own passkeys. Another user's passkey behaves as if it did not exist. */
export class Passkeys {
  constructor(private readonly deps: PasskeysDeps) {}

  /** Oldest first. */
  async list(userId: string): Promise<Passkey[]> {
    return listPasskeys(this.deps.db, userId);
  }

  /** Starts adding a passkey. Starting again replaces the challenge. @throws UNAUTHENTICATED, FORBIDDEN, LIMIT_REACHED */
  async start(actor: Actor): Promise<PasskeyOptions> {
    const now = this.deps.clock.now();
    const { user, known, issued } = await inTransaction(this.deps.db, async (transaction) => {
      const { user } = await authorize(transaction, actor, { now, ...RECENTLY });
      const known = await listPasskeys(transaction, user.id);
      requireRoom(known);
      const issued = await this.deps.challenges.replace(transaction, "PASSKEY_REGISTRATION", user.id);
      return { user, known, issued };
    });
    const { challenge, expiresAt } = issued;
    const ceremony = { challenge, timeout: expiresAt - now };
    return { publicKey: await this.deps.relyingParty.registrationOptions(ceremony, user, known), expiresAt };
  }

  /**
   * Adds a passkey, with the browser's response to the options.
   * @returns the recovery codes too; none when the user has had them before
   * @throws UNAUTHENTICATED, FORBIDDEN, INVALID_TOKEN, INVALID_CREDENTIALS, LIMIT_REACHED; CONFLICT when it is registered
   */
  async register(
    actor: Actor,
    name: string,
    attestation: Attestation,
  ): Promise<{ passkey: Passkey; recoveryCodes: string[] }> {
    const { challenge } = attestation;
    const purpose = "PASSKEY_REGISTRATION";
    const { userId } = await this.deps.challenges.find(this.deps.db, purpose, challenge);
    if (userId !== actor.userId) throw invalidChallenge();
    const credential = await this.deps.relyingParty.verifyAttestation(attestation);
    if (credential === undefined) throw invalidPasskey();
    const id = this.deps.newId();
    const registered = await inTransaction(this.deps.db, async (transaction) => {
      const now = this.deps.clock.now();
      const { user, session } = await authorize(transaction, actor, { now, ...RECENTLY });
      await this.deps.challenges.consume(transaction, purpose, challenge);
      requireRoom(await listPasskeys(transaction, user.id));
      const passkey = { ...credential, id, userId, name, createdAt: now, lastUsedAt: null };
      if (!(await insertPasskey(transaction, passkey))) {
        throw new LatchkeyError("CONFLICT", "This passkey is registered already.", { field: "credential" });
      }
      // The user has just used the factor in this session.
      await this.deps.sessions.renew(transaction, session, methodsOf(passkey));
      const recoveryCodes = await this.deps.factors.added(
        transaction,
        user,
        "PASSKEY_ADDED",
        changedBy(actor),
      );
      return { passkey, recoveryCodes };
    });
    this.deps.outbox.wake();
    return registered;
  }

  /** @throws UNAUTHENTICATED, NOT_FOUND */
  async rename(actor: Actor, id: string, name: string): Promise<Passkey> {
    return inTransaction(this.deps.db, async (transaction) => {
      const { user } = await authorize(transaction, actor, { now: this.deps.clock.now() });
      return (await renamePasskey(transaction, { id, userId: user.id }, name)) ?? noSuchPasskey();
    });
  }

  /** @throws UNAUTHENTICATED, NOT_FOUND */
  async delete(actor: Actor, id: string): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      const { user } = await authorize(transaction, actor, { now: this.deps.clock.now(), ...RECENTLY });
      if (!(await deletePasskey(transaction, { id, userId: user.id }))) noSuchPasskey();
      await this.deps.factors.removed(transaction, user, "PASSKEY_REMOVED", changedBy(actor));
    });
    this.deps.outbox.wake();
  }
}

/** What using a passkey proves. */
export function methodsOf({ synced }: Pick<Passkey, "synced">): AuthenticationMethod[] {
  return [synced ? "swk" : "hwk", "user", "mfa"];
}

export function invalidPasskey(): LatchkeyError<"INVALID_CREDENTIALS"> {
  return new LatchkeyError("INVALID_CREDENTIALS", "The passkey could not be verified.");
}

function requireRoom(passkeys: readonly Passkey[]): void {
  if (passkeys.length < MAX_PASSKEYS) return;
  throw new LatchkeyError(
    "LIMIT_REACHED",
    `You have ${MAX_PASSKEYS} passkeys, which is the maximum. Delete one first.`,
  );
}

function noSuchPasskey(): never {
  throw new LatchkeyError("NOT_FOUND", "You have no passkey with this id.");
}
