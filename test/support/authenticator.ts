import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import type { App, RequestOptions } from "./app.js";
import {
  PASSKEY_OPTIONS,
  REGISTER_PASSKEY,
  START_PASSKEY_REAUTHENTICATION,
  START_PASSKEY_REGISTRATION,
} from "./operations.js";

/** The relying party of an app with the default configuration, and its origin. */
const RP_ID = "localhost";
export const ORIGIN = "http://localhost:3000";

const FLAGS = { up: 0x01, uv: 0x04, be: 0x08, bs: 0x10, at: 0x40 };

/** What an authenticator, or an attacker, may do otherwise. */
export interface Behaviour {
  origin?: string;
  rpId?: string;
  /** Whether the user was verified, and whether they were there. */
  uv?: boolean;
  up?: boolean;
  counter?: number;
  synced?: boolean;
  userHandle?: string | undefined;
  challenge?: string;
  type?: string;
  clientData?: object;
  /** The attestation statement. */
  attestation?: { fmt: string; attStmt: Cbor };
}

type PublicKey = Record<string, unknown>;

/** An authenticator in software, with one passkey (Web Authentication, 6): ES256, without attestation. */
export class SoftwareAuthenticator {
  readonly credentialId = randomBytes(16).toString("base64url");
  readonly #keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  #counter: number;
  #userHandle: string | undefined;

  constructor(private readonly options: { synced?: boolean } = {}) {
    this.#counter = options.synced ? 0 : 1;
  }

  /** `navigator.credentials.create`. */
  create(options: PublicKey, behaviour: Behaviour = {}) {
    this.#userHandle = (options["user"] as { id: string }).id;
    const authData = this.#authenticatorData(behaviour, this.#attestedCredential());
    const { fmt, attStmt } = behaviour.attestation ?? { fmt: "none", attStmt: new Map() };
    const attestationObject = cbor(
      new Map<string, Cbor>([
        ["fmt", fmt],
        ["attStmt", attStmt],
        ["authData", authData],
      ]),
    );
    const response = {
      clientDataJSON: clientDataOf("webauthn.create", options, behaviour),
      attestationObject: attestationObject.toString("base64url"),
      transports: ["internal", "hybrid"],
    };
    return this.#credential(response);
  }

  /** `navigator.credentials.get`. */
  get(options: PublicKey, behaviour: Behaviour = {}) {
    if (!this.options.synced) this.#counter += 1;
    const authData = this.#authenticatorData(behaviour);
    const clientDataJSON = clientDataOf("webauthn.get", options, behaviour);
    const clientDataHash = sha256(Buffer.from(clientDataJSON, "base64url"));
    const signature = sign("sha256", Buffer.concat([authData, clientDataHash]), this.#keys.privateKey);
    const response = {
      clientDataJSON,
      authenticatorData: authData.toString("base64url"),
      signature: signature.toString("base64url"),
      userHandle: "userHandle" in behaviour ? behaviour.userHandle : this.#userHandle,
    };
    return this.#credential(response);
  }

  #credential<Response extends object>(response: Response) {
    const id = this.credentialId;
    return { id, rawId: id, type: "public-key", response, clientExtensionResults: {} };
  }

  #authenticatorData(
    { rpId = RP_ID, uv = true, up = true, counter = this.#counter, synced = this.options.synced }: Behaviour,
    attested?: Buffer,
  ): Buffer {
    const flags =
      (up ? FLAGS.up : 0) |
      (uv ? FLAGS.uv : 0) |
      (synced ? FLAGS.be | FLAGS.bs : 0) |
      (attested ? FLAGS.at : 0);
    const fixed = Buffer.alloc(5);
    fixed.writeUInt8(flags);
    fixed.writeUInt32BE(counter, 1);
    return Buffer.concat([sha256(rpId), fixed, attested ?? Buffer.alloc(0)]);
  }

  #attestedCredential(): Buffer {
    const { x, y } = this.#keys.publicKey.export({ format: "jwk" });
    const key = new Map<number, Cbor>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, Buffer.from(x!, "base64url")],
      [-3, Buffer.from(y!, "base64url")],
    ]);
    const id = Buffer.from(this.credentialId, "base64url");
    const length = Buffer.alloc(2);
    length.writeUInt16BE(id.length);
    return Buffer.concat([Buffer.alloc(16), length, id, cbor(key)]);
  }
}

function clientDataOf(type: string, options: PublicKey, behaviour: Behaviour): string {
  const { challenge = options["challenge"] as string, origin = ORIGIN } = behaviour;
  const data = {
    type: behaviour.type ?? type,
    challenge,
    origin,
    crossOrigin: false,
    ...behaviour.clientData,
  };
  return Buffer.from(JSON.stringify(data)).toString("base64url");
}

type Cbor = number | string | Buffer | Cbor[] | Map<string | number, Cbor>;

/** CBOR of short values (RFC 8949). */
export function cbor(value: Cbor): Buffer {
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === "string")
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  const entries = [...value].flatMap(([key, each]) => [cbor(key), cbor(each)]);
  return Buffer.concat([head(5, value.size), ...entries]);
}

function head(major: number, length: number): Buffer {
  const type = major << 5;
  if (length < 24) return Buffer.from([type | length]);
  if (length < 256) return Buffer.from([type | 24, length]);
  return Buffer.from([type | 25, length >> 8, length & 0xff]);
}

function sha256(data: string | Buffer): Buffer {
  return createHash("sha256").update(data).digest();
}

/** Adds a passkey of this authenticator to a signed-in user. */
export async function registerPasskey(
  app: App,
  token: string,
  authenticator = new SoftwareAuthenticator(),
  name = "laptop",
  behaviour: Behaviour = {},
) {
  const options = await registrationOptions(app, token);
  const variables = { name, credential: authenticator.create(options, behaviour) };
  const { data, errors } = await app.send(REGISTER_PASSKEY, variables, { token });
  if (!data) throw new Error(`registration failed: ${JSON.stringify(errors)}`);
  return { authenticator, ...data.registerPasskey };
}

export async function registrationOptions(app: App, token: string): Promise<PublicKey> {
  const { data, errors } = await app.send(START_PASSKEY_REGISTRATION, {}, { token });
  if (!data) throw new Error(`no options: ${JSON.stringify(errors)}`);
  return data.startPasskeyRegistration.publicKey;
}

/** The options to sign in with a passkey: with the challenge that the password brought, or alone. */
export async function signInOptions(app: App, challenge?: string, from?: RequestOptions): Promise<PublicKey> {
  const { data, errors } = await app.send(PASSKEY_OPTIONS, { challenge: challenge ?? null }, from);
  if (!data) throw new Error(`no options: ${JSON.stringify(errors)}`);
  return data.passkeyOptions.publicKey;
}

export async function reauthenticationOptions(app: App, token: string): Promise<PublicKey> {
  const { data, errors } = await app.send(START_PASSKEY_REAUTHENTICATION, {}, { token });
  if (!data) throw new Error(`no options: ${JSON.stringify(errors)}`);
  return data.startPasskeyReauthentication.publicKey;
}
