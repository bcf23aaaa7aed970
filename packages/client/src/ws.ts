import type { ClientOptions, EventClosedListener, EventConnectedListener } from "graphql-ws";
import { MAX_DELAY } from "./back-off.js";
import type { Latchkey } from "./latchkey.js";
import type { SessionState } from "./session.js";

export interface ConnectionOptions {
  connectionParams: ClientOptions["connectionParams"] & object;
  on: { connected: EventConnectedListener; closed: EventClosedListener };
}

/**
 * Options for `createClient` of graphql-ws: `createClient({ url, ...connectionOptions(latchkey) })`. The access token is
 * sent as `authorization` of `connectionParams`. The connection is closed when that token expires and when the user
 * changes; graphql-ws then connects again, and subscribes again. While the token cannot be refreshed, the connection waits.
 */
export function connectionOptions(latchkey: Latchkey): ConnectionOptions {
  let state: SessionState;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unsubscribe = (): void => {};
  let connection = 0;

  return {
    async connectionParams() {
      const own = connection;
      while (own === connection) {
        try {
          const token = await latchkey.accessToken();
          state = latchkey.state;
          return token ? { authorization: `Bearer ${token}` } : {};
        } catch {
          // An error would end the subscriptions. A server that does not wait as long closes the connection, and
          // graphql-ws connects again.
          await new Promise((resolve) => setTimeout(resolve, 1000));
        }
      }
      return {};
    },
    on: {
      connected(socket) {
        // Not an error, so that graphql-ws connects again at once.
        const close = () => (socket as WebSocket).close(1000, "The access token has expired.");
        if (state.status === "signed-in")
          timer = setTimeout(close, Math.min(state.expiresAt - Date.now(), MAX_DELAY));
        const user = userOf(state);
        const closeForAnother = () => {
          if (userOf(latchkey.state) !== user) close();
        };
        unsubscribe = latchkey.subscribe(closeForAnother);
        closeForAnother();
      },
      closed() {
        connection++;
        clearTimeout(timer);
        unsubscribe();
      },
    },
  };
}

function userOf(state: SessionState): string | undefined {
  return state.status === "signed-in" ? state.user.id : undefined;
}
