import { type OperationError, refusalIn } from "./authorization.js";
import { LatchkeyError } from "./errors.js";
import type { TypedText } from "./typed-document.js";

export interface SendOptions {
  accessToken?: string | undefined;
  /** Whether the server keeps the refresh token in a cookie. */
  cookie?: boolean;
  signal?: AbortSignal | undefined;
}

export type Send = <Data, Variables>(
  document: TypedText<Data, Variables>,
  variables: Variables,
  options?: SendOptions,
) => Promise<Data>;

export interface TransportOptions {
  /** The URL of the GraphQL endpoint. */
  url: string;
  /** Sends the id of a document instead of its text, for a server that runs persisted documents only. */
  documentId?: (document: { toString(): string }) => string | Promise<string>;
  fetch?: typeof fetch;
}

/** Sends operations to a GraphQL endpoint. They throw an error of the answer as a LatchkeyError: the first that `recover` handles, or
 * the first of all. */
export function createSend({ url, documentId, fetch: customFetch }: TransportOptions): Send {
  return async (document, variables, { accessToken, cookie, signal } = {}) => {
    const send = customFetch ?? fetch;
    const query = documentId ? { documentId: await documentId(document) } : { query: `${document}` };
    let response: Response | undefined;
    let answer: { data?: never; errors?: (OperationError & { message: string })[] } | null;
    try {
      response = await send(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(accessToken && { authorization: `Bearer ${accessToken}` }),
          ...(cookie && { "latchkey-session": "cookie" }),
        },
        body: JSON.stringify({ ...query, variables }),
        // Passwords and tokens go to no other address.
        redirect: "error",
        credentials: cookie ? "include" : "same-origin",
        signal: signal ?? null,
      });
      answer = await response.json();
    } catch (cause) {
      throw noAnswer(response, cause);
    }
    const error = refusalIn(answer?.errors) ?? answer?.errors?.[0];
    if (error)
      throw new LatchkeyError(error.message, { code: "INTERNAL_SERVER_ERROR", ...error.extensions } as never);
    if (!answer?.data) throw noAnswer(response);
    return answer.data;
  };
}

function noAnswer(response: Response | undefined, cause?: unknown): LatchkeyError {
  const message = response
    ? `The server answered ${response.status} and not in GraphQL.`
    : "The server cannot be reached.";
  const retryAfter = Number(response?.headers.get("retry-after"));
  const details = { ...(response && { status: response.status }), ...(retryAfter && { retryAfter }) };
  return new LatchkeyError(message, { code: "NETWORK_ERROR", ...details }, { cause });
}
