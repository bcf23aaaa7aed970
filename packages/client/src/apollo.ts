import { ApolloLink, gql, Observable, ServerError, type TypedDocumentNode } from "@apollo/client";
import { type OperationError, refusalIn } from "./authorization.js";
import type { Latchkey } from "./latchkey.js";
import type { TypedText } from "./typed-document.js";

/**
 * Sends operations with the access token. An operation is sent again after a refresh, or after the user has
 * reauthenticated. Put it before the `HttpLink`.
 */
export class LatchkeyLink extends ApolloLink {
  constructor(latchkey: Latchkey) {
    super(
      (operation, forward) =>
        new Observable((observer) => authorized(latchkey, operation, forward, observer)),
    );
  }
}

type Observer = Parameters<ConstructorParameters<typeof Observable<ApolloLink.Result>>[0] & object>[0];

function authorized(
  latchkey: Latchkey,
  operation: ApolloLink.Operation,
  forward: ApolloLink.ForwardFunction,
  observer: Observer,
): () => void {
  const authorization = latchkey.authorize();
  let subscription: { unsubscribe(): void } | undefined;

  async function send(): Promise<void> {
    const token = await authorization.token();
    if (observer.closed) return;
    operation.setContext(({ headers }) => ({
      headers: { ...headers, ...(token && { authorization: `Bearer ${token}` }) },
    }));
    let recovering = false;
    let completed = false;

    async function recover(refusal: OperationError, deliver: () => void): Promise<void> {
      recovering = true;
      const again = await authorization.recover(refusal);
      recovering = false;
      if (again) {
        subscription?.unsubscribe();
        await send();
      } else {
        deliver();
        if (completed) observer.complete();
      }
    }
    /** Delivers a result or an error, unless it is a refusal that leads to another attempt. */
    function settle(errors: readonly OperationError[] | undefined, deliver: () => void): void {
      const refusal = refusalIn(errors);
      if (refusal) recover(refusal, deliver).catch((error) => observer.error(error));
      else deliver();
    }

    subscription = forward(operation).subscribe({
      next: (result) => settle(result.errors, () => observer.next(result)),
      error: (error) => settle(errorsIn(error), () => observer.error(error)),
      complete() {
        completed = true;
        if (!recovering) observer.complete();
      },
    });
  }

  send().catch((error) => observer.error(error));
  return () => subscription?.unsubscribe();
}

/** The errors in an answer with status 401 that is not `application/graphql-response+json`. */
function errorsIn(error: unknown): readonly OperationError[] | undefined {
  if (!ServerError.is(error)) return undefined;
  try {
    return JSON.parse(error.bodyText).errors;
  } catch {
    return undefined;
  }
}

/** A document of `@latchkey/client/documents` as Apollo Client takes it. */
export function documentNode<Data, Variables>(
  document: TypedText<Data, Variables>,
): TypedDocumentNode<Data, Variables & Record<string, unknown>> {
  return gql(document);
}
