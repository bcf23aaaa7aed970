/** How the browser asks for a passkey. */
export interface PasskeyPrompt {
  /** `"conditional"` offers passkeys in the autofill of a field with `autocomplete="username webauthn"`. */
  mediation?: "conditional";
  signal?: AbortSignal;
}

// Not in TypeScript's DOM library.
type Mediated = CredentialRequestOptions & { mediation?: string };

/**
 * Asks the browser for a passkey.
 * @param publicKey the options from the server
 * @returns the credential as the server takes it
 * @throws DOMException `NotAllowedError` when the user declines
 */
export async function getPasskey(
  publicKey: Record<string, unknown>,
  prompt?: PasskeyPrompt,
): Promise<Record<string, unknown>> {
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey as never);
  const credential = await navigator.credentials.get({ publicKey: options, ...prompt } as Mediated);
  return (credential as PublicKeyCredential).toJSON() as never;
}

/** As `getPasskey`, for a new passkey: between `startPasskeyRegistration` and `registerPasskey`. */
export async function createPasskey(publicKey: Record<string, unknown>): Promise<Record<string, unknown>> {
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(publicKey as never);
  const credential = await navigator.credentials.create({ publicKey: options });
  return (credential as PublicKeyCredential).toJSON() as never;
}
