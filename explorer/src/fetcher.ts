import { type Latchkey, LatchkeyError, refusalIn } from "@latchkey/client";
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
  async function send(body: string, headers: Record<string, string>, own: boolean): Promise<Answer> {
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
      const refusal = refusalIn(answer.errors);
      if (own || !refusal || !(await authorization.recover(refusal))) return answer;
    }
  }

  return async (operation, { headers = {} } = {}) => {
    const own = Object.keys(headers).some((name) => name.toLowerCase() === "authorization");
    const answer = await send(JSON.stringify(operation), headers, own).catch(
      (error: unknown): Answer => ({
        errors: [
          { message: error instanceof LatchkeyError ? error.message : "The server cannot be reached." },
        ],
      }),
    );
    // What is wrong with the user's own token is not for the session to mend.
    onAnswer(own ? {} : answer);
    return answer;
  };
}
