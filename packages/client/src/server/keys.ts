import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from "jose";

/** The key set is fetched again when it is older, in milliseconds. */
const MAX_AGE = 10 * 60_000;
/**
 * The time between two attempts, in milliseconds: tokens with unknown keys cost Latchkey one request per cooldown at most.
 */
const COOLDOWN = 30_000;
const COOLDOWN_AFTER_FAILURE = 5_000;

/** Latchkey's keys could not be fetched. Whether the token is valid is not known. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";
}

/**
 * The keys that verify access tokens, from one URL whatever a token says. They are fetched when they are first needed,
 * for a key that is not known, and every ten minutes: in the background, so that a failure delays no
 * request.
 */
export function createKeys(url: URL): JWTVerifyGetKey {
  let nextFetch = 0;
  let failure: KeysUnavailableError | undefined;
  let fetchedAt = 0;

  const keys = createRemoteJWKSet(url, {
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: COOLDOWN,
    async [customFetch](address, init) {
      if (failure && Date.now() < nextFetch) throw failure;
      try {
        const response = await fetch(address, init);
        const set = response.ok && (await response.json());
        if (!Array.isArray(set?.keys))
          throw new Error(`There is no key set; the status is ${response.status}.`);
        failure = undefined;
        fetchedAt = Date.now();
        return Response.json(set);
      } catch (cause) {
        nextFetch = Date.now() + COOLDOWN_AFTER_FAILURE;
        failure = new KeysUnavailableError(`The keys at ${url} could not be fetched.`, { cause });
        throw failure;
      }
    },
  });

  return async (header, token) => {
    // With a single key, jose would do without.
    if (typeof header.kid !== "string") throw new errors.JWKSNoMatchingKey();
    if (keys.jwks() && Date.now() > fetchedAt + MAX_AGE) keys.reload().catch(() => {});
    return keys(header, token);
  };
}
