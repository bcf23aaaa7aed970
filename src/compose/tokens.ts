import { SECOND } from "../clock.js";
import type { Config } from "../config.js";
import { AccessTokens } from "../crypto/access-tokens.js";
import { SecretKeyRing } from "../crypto/key-ring.js";
import { PrivateKeys } from "../services/keys/private-keys.js";
import { SigningKeys } from "../services/keys/signing-keys.js";
import type { Base } from "./base.js";

/** Builds the access tokens and their keys. With HS256 there are no signing keys: SECRET_KEY is the one key. */
export function composeTokens(
  config: Config,
  { db, clock, audit, secretKey, storedSecrets, logFailure }: Base,
) {
  const lifetimeSeconds = config.accessTokenExpireMinutes * 60;
  const signingKeys =
    config.algorithm === "HS256"
      ? undefined
      : new SigningKeys({
          db,
          clock,
          audit,
          privateKeys: new PrivateKeys({ db, secrets: storedSecrets("signing key") }),
          algorithm: config.algorithm,
          accessTokenLifetime: lifetimeSeconds * SECOND,
          announced: config.keyAnnounceSeconds * SECOND,
          onReloadError: logFailure("could not read the signing keys again"),
        });
  const keys = signingKeys ?? new SecretKeyRing(secretKey);
  const { publicUrl: issuer, tokenAudience: audience } = config;
  const accessTokens = new AccessTokens({ keys, clock, issuer, audience, lifetimeSeconds });
  return { signingKeys, keys, accessTokens };
}
