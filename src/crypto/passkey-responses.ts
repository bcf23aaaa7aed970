import type { AuthenticationResponseJSON, RegistrationResponseJSON } from "@simplewebauthn/server";

/** The credential that `navigator.credentials` returned, converted with `toJSON()`. Well-formed, but not verified. */
interface PasskeyResponse<Json> {
  /** The challenge that it says it answers, base64url. */
  challenge: string;
  /** Whether a page of another origin embedded the page that asked for it. */
  embedded: boolean;
  json: Json;
}

/** A new passkey, and what it signed. */
export type Attestation = PasskeyResponse<RegistrationResponseJSON>;

/** What an existing passkey signed. */
export interface Assertion extends PasskeyResponse<AuthenticationResponseJSON> {
  credentialId: string;
  /** The user that the passkey is for, as it remembers; undefined when it does not. */
  userHandle: string | undefined;
}

type Transports = NonNullable<RegistrationResponseJSON["response"]["transports"]>;

/** Web Authentication, 5.8.4. Others are left out. */
const TRANSPORTS = ["ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"] as const;

/** The most characters of base64url. A credential id has at most 1023 bytes (Web Authentication, 4). */
export const MAX_CREDENTIAL_ID = 1364;
const MAX_CLIENT_DATA = 8192;
const MAX_ATTESTATION = 16_384;
const MAX_AUTHENTICATOR_DATA = 8192;
const MAX_SIGNATURE = 4096;
/** User handles have at most 64 bytes. */
const MAX_USER_HANDLE = 86;

/** Reads the response to `navigator.credentials.create`; undefined when it is anything else. */
export function readAttestation(value: unknown): Attestation | undefined {
  const read = readResponse(value);
  if (read === undefined) return undefined;
  const { id, response, clientDataJSON, clientData } = read;
  const attestationObject = base64url(response["attestationObject"], MAX_ATTESTATION);
  if (attestationObject === undefined) return undefined;
  const given = response["transports"];
  const transports = Array.isArray(given) ? TRANSPORTS.filter((transport) => given.includes(transport)) : [];
  const json = { clientDataJSON, attestationObject, transports: transports as Transports };
  return { ...clientData, json: { ...credentialOf(id), response: json } };
}

/** Reads the response to `navigator.credentials.get`; undefined when it is anything else. */
export function readAssertion(value: unknown): Assertion | undefined {
  const read = readResponse(value);
  if (read === undefined) return undefined;
  const { id, response, clientDataJSON, clientData } = read;
  const authenticatorData = base64url(response["authenticatorData"], MAX_AUTHENTICATOR_DATA);
  const signature = base64url(response["signature"], MAX_SIGNATURE);
  if (authenticatorData === undefined || signature === undefined) return undefined;
  const userHandle = response["userHandle"] ?? undefined;
  if (userHandle !== undefined && base64url(userHandle, MAX_USER_HANDLE) === undefined) return undefined;
  return {
    ...clientData,
    credentialId: id,
    userHandle: userHandle && Buffer.from(userHandle as string, "base64url").toString(),
    json: { ...credentialOf(id), response: { clientDataJSON, authenticatorData, signature } },
  };
}

/** Reads what both responses have. */
function readResponse(value: unknown) {
  if (!isObject(value) || !isObject(value["response"]) || value["type"] !== "public-key") return undefined;
  const { response } = value;
  const id = base64url(value["id"], MAX_CREDENTIAL_ID);
  const clientDataJSON = base64url(response["clientDataJSON"], MAX_CLIENT_DATA);
  if (id === undefined || value["rawId"] !== id || clientDataJSON === undefined) return undefined;
  const clientData = readClientData(clientDataJSON);
  return clientData && { id, response, clientDataJSON, clientData };
}

/** Reads the collected client data (Web Authentication, 5.8.1). */
function readClientData(clientDataJSON: string) {
  try {
    const data: unknown = JSON.parse(Buffer.from(clientDataJSON, "base64url").toString());
    if (!isObject(data) || typeof data["challenge"] !== "string") return undefined;
    const embedded = data["crossOrigin"] === true || data["topOrigin"] !== undefined;
    return { challenge: data["challenge"], embedded };
  } catch {
    return undefined;
  }
}

function credentialOf(id: string) {
  return { id, rawId: id, type: "public-key" as const, clientExtensionResults: {} };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function base64url(value: unknown, maxCharacters: number): string | undefined {
  return typeof value === "string" && /^[\w-]+$/.test(value) && value.length <= maxCharacters
    ? value
    : undefined;
}
