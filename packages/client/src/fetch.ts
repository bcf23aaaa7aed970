import type { Latchkey } from "./latchkey.js";

export interface FetchOptions {
  /** The origins whose requests get the access token, such as `https://api.example.com`. No other request gets it. */
  origins: readonly string[];
  fetch?: typeof fetch;
}

/**
 * Creates a `fetch` that sends the access token to these origins, and sends a request once more when it is answered 401
 * and the token can be refreshed.
 */
export function createFetch(latchkey: Latchkey, options: FetchOptions): typeof fetch {
  const origins = options.origins.map((origin) => new URL(origin).origin);

  return async (input, init) => {
    const send = options.fetch ?? fetch;
    const request = new Request(input, init);
    if (!origins.includes(new URL(request.url).origin) || request.headers.has("authorization"))
      return send(request);

    const authorization = latchkey.authorize();
    for (;;) {
      const token = await authorization.token();
      const attempt = request.clone();
      if (token) attempt.headers.set("authorization", `Bearer ${token}`);
      const response = await send(attempt);
      if (!isExpired(response) || !(await authorization.recover(EXPIRED))) return response;
      await response.body?.cancel();
    }
  };
}

const EXPIRED = { extensions: { code: "UNAUTHENTICATED" } };

/** Whether a new token may help: not when a more recent authentication is required (RFC 9470), for instance. */
function isExpired({ status, headers }: Response): boolean {
  const challenge = headers.get("www-authenticate");
  return status === 401 && (!challenge?.includes("error=") || challenge.includes("invalid_token"));
}
