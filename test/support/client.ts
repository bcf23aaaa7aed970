import {
  createLatchkey,
  type Latchkey,
  type LatchkeyOptions,
  type RefreshTokenStorage,
} from "@latchkey/client";
import { type App, PASSWORD } from "./app.js";
import { closeWithFile } from "./opened.ts";
import { makeUser } from "./users.js";

export const ME_QUERY = "{ me { username } }";

/** The storage of an app without a browser. */
function memoryStorage(): RefreshTokenStorage & { token: string | null } {
  return {
    token: null,
    get() {
      return this.token;
    },
    set(token) {
      this.token = token;
    },
    clear() {
      this.token = null;
    },
  };
}

/** A request of the client on its way. */
export interface Passing {
  field: string;
  signal: AbortSignal | undefined;
  /** Lets it through, to another app if one is given. */
  pass(app?: { address: string }): Promise<Response>;
}

type Network = (request: Passing) => Promise<Response>;

/** A client of the app that keeps its refresh token in memory, and records what it sends. */
export function makeClient(app: { address: string }, options: Partial<LatchkeyOptions> = {}) {
  const storage = memoryStorage();
  const sent: { field: string; authorization: string | null }[] = [];
  let network: Network = ({ pass }) => pass();
  const latchkey: Latchkey = createLatchkey({
    url: `${app.address}/graphql`,
    storage,
    fetch: (input, init) => {
      const { query = "" } = JSON.parse(String(init?.body)) as { query?: string };
      const field = /{\s*(\w+)/.exec(query)?.[1] ?? "";
      sent.push({ field, authorization: new Headers(init?.headers).get("authorization") });
      const pass = (to = app) => fetch(String(input).replace(app.address, to.address), init);
      return network({ field, signal: init?.signal ?? undefined, pass });
    },
    ...options,
  });
  closeWithFile(() => latchkey.close());
  return {
    latchkey,
    storage,
    sent,
    /** The first field of each operation since the last call. */
    fields: () => sent.splice(0).map(({ field }) => field),
    /** What happens to requests from now on. */
    setNetwork(next: Network) {
      network = next;
    },
  };
}

/** A client whose user has just signed in. */
export async function signedInClient(app: App, options?: Partial<LatchkeyOptions>) {
  const { username, id } = await makeUser(app);
  const client = makeClient(app, options);
  await client.latchkey.signIn(username, PASSWORD);
  client.fields();
  return { ...client, username, id };
}
