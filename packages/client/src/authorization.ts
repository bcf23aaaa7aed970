import type { ReauthenticationRequired } from "./errors.js";
import type { Session } from "./session.js";

/** A GraphQL error. */
export interface OperationError {
  extensions?: Readonly<Record<string, unknown>> | undefined;
}

/** Among the errors of an answer, the one that `recover` may do something about. */
export function refusalIn<E extends OperationError>(errors: readonly E[] | undefined): E | undefined {
  return errors?.find(
    ({ extensions }) =>
      extensions?.["code"] === "UNAUTHENTICATED" || extensions?.["code"] === "REAUTHENTICATION_REQUIRED",
  );
}

/**
 * The access token of one operation, for links to other clients. It stays with the user who was signed in at first: an
 * operation is never sent again as another user who has signed in meanwhile.
 */
export interface Authorization {
  /** The token to send; undefined when that user is not signed in. @throws LatchkeyError when the server is unavailable */
  token(): Promise<string | undefined>;
  /**
   * Handles an error: refreshes the token, or asks for a recent authentication, once each.
   * @returns whether to send the operation again, with `token()`
   */
  recover(error: OperationError): Promise<boolean>;
}

/** Asks the user to reauthenticate. @returns whether they did */
export type Reauthenticate = (required: ReauthenticationRequired) => boolean | Promise<boolean>;

export function createAuthorize(
  session: Session,
  reauthenticate: Reauthenticate = () => false,
): () => Authorization {
  /** One question for all operations that need it. */
  let asking: Promise<boolean> | undefined;

  function ask(required: ReauthenticationRequired): Promise<boolean> {
    asking ??= (async () => reauthenticate(required))().finally(() => {
      asking = undefined;
    });
    return asking;
  }

  return () => {
    let user = session.current?.user.id;
    let sent: string | undefined;
    const recovered = new Set<unknown>();

    async function token(): Promise<string | undefined> {
      await session.ready();
      const { current } = session;
      user ??= current?.user.id;
      sent = current?.user.id === user ? current?.accessToken : undefined;
      return sent;
    }

    async function recover({ extensions = {} }: OperationError): Promise<boolean> {
      const { code, reason = "INVALID_TOKEN" } = extensions;
      if (!sent || recovered.has(code)) return false;
      if (code === "UNAUTHENTICATED") {
        recovered.add(code);
        session.refuse(sent, reason as never);
      } else if (code !== "REAUTHENTICATION_REQUIRED") {
        return false;
      } else if (sent === session.current?.accessToken) {
        recovered.add(code);
        if (!(await ask(extensions as never))) return false;
      }
      // Otherwise the user has reauthenticated for another operation, or the token was refreshed: a newer one may do.
      return (await token()) !== undefined;
    }

    return { token, recover };
  };
}
