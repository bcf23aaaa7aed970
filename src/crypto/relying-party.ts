import type { AuthenticatorTransport } from "@simplewebauthn/server";
import { LatchkeyError } from "../errors.js";
import { type Assertion, type Attestation, MAX_CREDENTIAL_ID } from "./passkey-responses.js";

/** Loaded by the first passkey: a process without any starts sooner, and is 27 MB smaller. */
const library = () => import("@simplewebauthn/server");
const helpers = () => import("@simplewebauthn/server/helpers");

/** EdDSA, ES256 and RS256 by their COSE numbers, as the standard recommends. */
const ALGORITHMS = [-8, -7, -257];

/** A passkey as an authenticator made it. Everything in base64url. */
export interface PasskeyCredential {
  credentialId: string;
  /** As COSE (RFC 9052). */
  publicKey: string;
  /** How to reach the authenticator. */
  transports: readonly string[];
  /** Whether it is synced between devices: a passkey's backup eligibility, which never changes. */
  synced: boolean;
}

/** What `navigator.credentials` takes as `publicKey`, as JSON. */
export type PublicKeyOptions = Record<string, unknown>;

interface Ceremony {
  /** base64url. It is what the passkey signs, byte for byte. */
  challenge: string;
  /** How long the user may take, in milliseconds. */
  timeout: number;
}

export interface RelyingPartyDeps {
  settings: { id: string; origins: readonly string[] } | undefined;
  /** What browsers show. */
  name: string;
}

/** The relying party of passkeys: Latchkey's side of Web Authentication, Level 3. */
export class RelyingParty {
  constructor(private readonly deps: RelyingPartyDeps) {}

  /** The options to create a passkey with. @param known what the user has: a device makes only one @throws FORBIDDEN */
  async registrationOptions(
    { challenge, timeout }: Ceremony,
    user: { id: string; username: string; fullName: string | null },
    known: readonly PasskeyCredential[],
  ): Promise<PublicKeyOptions> {
    const { id } = this.#settings();
    const { generateRegistrationOptions } = await library();
    return {
      ...(await generateRegistrationOptions({
        rpID: id,
        rpName: this.deps.name,
        challenge: bytesOf(challenge),
        timeout,
        userID: new TextEncoder().encode(user.id),
        userName: user.username,
        userDisplayName: user.fullName ?? user.username,
        attestationType: "none",
        authenticatorSelection: { residentKey: "preferred", userVerification: "preferred" },
        excludeCredentials: known.map(descriptorOf),
        supportedAlgorithmIDs: ALGORITHMS,
      })),
    };
  }

  /**
   * The options to prove a passkey with.
   * @param allowed the user's passkeys; undefined: any that a device finds, which must then verify the user
   * @throws FORBIDDEN
   */
  async authenticationOptions(
    { challenge, timeout }: Ceremony,
    allowed: readonly PasskeyCredential[] | undefined,
  ): Promise<PublicKeyOptions> {
    const { id } = this.#settings();
    const { generateAuthenticationOptions } = await library();
    return {
      ...(await generateAuthenticationOptions({
        rpID: id,
        challenge: bytesOf(challenge),
        timeout,
        allowCredentials: (allowed ?? []).map(descriptorOf),
        userVerification: allowed === undefined ? "required" : "preferred",
      })),
    };
  }

  /** Verifies a new passkey. @returns undefined when it is not valid @throws FORBIDDEN */
  async verifyAttestation({
    json,
    challenge,
    embedded,
  }: Attestation): Promise<(PasskeyCredential & { counter: number }) | undefined> {
    const { id, origins } = this.#settings();
    const { verifyRegistrationResponse } = await library();
    const verified = await orUndefined(async () => {
      if (embedded || !(await isUnattested(json.response.attestationObject))) return undefined;
      const { registrationInfo } = await verifyRegistrationResponse({
        response: json,
        expectedChallenge: challenge,
        expectedOrigin: [...origins],
        expectedRPID: id,
        requireUserVerification: false,
        supportedAlgorithmIDs: ALGORITHMS,
      });
      return registrationInfo;
    });
    if (verified === undefined || verified.credential.id.length > MAX_CREDENTIAL_ID) return undefined;
    const { credential, credentialDeviceType } = verified;
    return {
      credentialId: credential.id,
      publicKey: Buffer.from(credential.publicKey).toString("base64url"),
      counter: credential.counter,
      transports: json.response.transports ?? [],
      synced: credentialDeviceType === "multiDevice",
    };
  }

  /**
   * Verifies that a passkey signed a challenge.
   * @param options.verifiedUser whether it must also have verified the user, by PIN or biometrics
   * @returns its signature counter, for the caller to compare; undefined when the signature is not valid
   * @throws FORBIDDEN
   */
  async verifyAssertion(
    { json, embedded }: Assertion,
    passkey: PasskeyCredential,
    { challenge, verifiedUser }: { challenge: string; verifiedUser: boolean },
  ): Promise<{ counter: number } | undefined> {
    const { id, origins } = this.#settings();
    const { verifyAuthenticationResponse } = await library();
    const result = await orUndefined(async () =>
      verifyAuthenticationResponse({
        response: json,
        expectedChallenge: challenge,
        expectedOrigin: [...origins],
        expectedRPID: id,
        requireUserVerification: verifiedUser,
        // The counter is compared in the transaction that stores it.
        credential: { id: passkey.credentialId, publicKey: bytesOf(passkey.publicKey), counter: 0 },
      }),
    );
    if (embedded || !result?.verified) return undefined;
    const { newCounter, credentialDeviceType } = result.authenticationInfo;
    return (credentialDeviceType === "multiDevice") === passkey.synced ? { counter: newCounter } : undefined;
  }

  #settings() {
    if (this.deps.settings !== undefined) return this.deps.settings;
    throw new LatchkeyError(
      "FORBIDDEN",
      "Passkeys are not configured on this server: the operator must set WEBAUTHN_RP_ID and WEBAUTHN_ORIGINS.",
    );
  }
}

/**
 * Whether the response has no attestation, or one by the passkey itself: that is what was asked for. Others carry
 * certificates, whose verification would parse untrusted input for nothing.
 */
async function isUnattested(attestationObject: string): Promise<boolean> {
  const { decodeAttestationObject } = await helpers();
  const decoded = decodeAttestationObject(bytesOf(attestationObject));
  const format = decoded.get("fmt");
  return format === "none" || (format === "packed" && decoded.get("attStmt").get("x5c") === undefined);
}

/** The library throws plain errors, of many kinds, for every response that is not valid. */
async function orUndefined<T>(verify: () => Promise<T>): Promise<T | undefined> {
  try {
    return await verify();
  } catch {
    return undefined;
  }
}

function descriptorOf({ credentialId, transports }: PasskeyCredential) {
  return { id: credentialId, transports: transports as AuthenticatorTransport[] };
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(base64url, "base64url"));
}
