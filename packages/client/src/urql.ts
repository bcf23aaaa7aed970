import { type Exchange, makeOperation } from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import { type Authorization, type OperationError, refusalIn } from "./authorization.js";
import type { Latchkey } from "./latchkey.js";

/** An operation that is sent, maybe again. */
interface Attempt {
  authorization: Authorization;
  /** The token that it was sent with. */
  token?: string | undefined;
  /** Why it was refused. */
  refusal?: OperationError;
  /** Whether it is not sent again. */
  final?: boolean;
}

/**
 * Sends operations with the access token. An operation is sent again after a refresh, or after the user has
 * reauthenticated. Put it before the `fetchExchange`.
 */
export function latchkeyExchange(latchkey: Latchkey): Exchange {
  return authExchange(async ({ appendHeaders }) => {
    // By the keys of their operations: those that `refreshAuth` has yet to see, and those that are sent next.
    const waiting = new Map<number, Attempt>();
    const ready = new Map<number, Attempt>();

    async function prepare({ authorization, token, refusal }: Attempt): Promise<Attempt> {
      if (refusal && !(await authorization.recover(refusal).catch(() => false))) {
        // authExchange sends it again in any case: with the same token, so that the answer says why it was refused.
        return { authorization, token, final: true };
      }
      return { authorization, token: await authorization.token() };
    }

    return {
      // Only `authorize` knows whether the token is fresh, and not at once.
      willAuthError({ key }) {
        waiting.set(key, { authorization: latchkey.authorize() });
        return true;
      },
      didAuthError({ graphQLErrors }, { key, context }) {
        const attempt: Attempt | undefined = context["latchkey"];
        const refusal = refusalIn(graphQLErrors);
        if (!refusal || !attempt?.token || attempt.final) return false;
        waiting.set(key, { ...attempt, refusal });
        return true;
      },
      async refreshAuth() {
        ready.clear();
        // Others arrive meanwhile, and are not announced again.
        while (waiting.size > 0) {
          const attempts = [...waiting];
          waiting.clear();
          await Promise.all(
            attempts.map(async ([key, attempt]) => {
              ready.set(key, await prepare(attempt));
            }),
          );
        }
      },
      addAuthToOperation(operation) {
        const attempt = ready.get(operation.key) ?? waiting.get(operation.key);
        ready.delete(operation.key);
        const { kind, context } = attempt?.token
          ? appendHeaders(operation, { authorization: `Bearer ${attempt.token}` })
          : operation;
        // An expired token and an authentication that is too old are one attempt each; authExchange allows only one.
        return makeOperation(kind, operation, { ...context, latchkey: attempt, authAttempt: false });
      },
    };
  });
}
