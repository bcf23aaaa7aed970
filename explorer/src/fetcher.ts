import { type Latchkey, LatchkeyError } from "@latchkey/client";
import type { Fetcher } from "./graphiql.js";

export interface Answer {
  data?: unknown;
  errors?: { message: string; extensions?: Record<string, unknown> }[];
}

/**
 * Sends the operations of GraphiQL with the session's access token, unless the user has typed an `authorization` header.
 * The answer stays as the server sent it.
 */
export function createFetcher(
  latchkey: Latchkey,
  { url, onAnswer }: { url: string; onAnswer: (answer: Answer) => void },
): Fetcher {
  async function send(body: string, headers: Record<string, string>): Promise<Answer> {
    const own = Object.keys(headers).some((name) => name.toLowerCase() === "authorization");
    const authorization = latchkey.authorize();
    for (;;) {
      const token = own ? undefined : await authorization.token();
      const response = await fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(token && { authorization: `Bearer ${token}` }),
          ...headers,
        },
        body,
      });
      const answer: Answer = await response.json();
      const [error] = answer.errors ?? [];
      if (own || !error || !(await authorization.recover(error))) return answer;
    }
  }

  return async (operation, { headers = {} } = {}) => {
    const answer = await send(JSON.stringify(operation), headers).catch(
      (error: unknown): Answer => ({
        errors: [
          { message: error instanceof LatchkeyError ? error.message : "The server cannot be reached." },
        ],
      }),
    );
    onAnswer(answer);
    return answer;
  };
}
