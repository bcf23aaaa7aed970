import {
  createLatchkey,
  type Latchkey,
  type LatchkeyOptions,
  type RefreshTokenStorage,
} from "@latchkey/client";
import { type App, PASSWORD } from "./app.js";
import { closeWithFile } from "./opened.ts";
import { makeUser } from "./users.js";

/** The storage of an app without a browser. */
function memoryStorage(token: string | null = null): RefreshTokenStorage & { token: string | null } {
  return {
    token,
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

/** A client of the app that keeps its refresh token in memory, and records what it sends. */
export function makeClient(
  app: { address: string },
  { fetch: send = fetch, ...options }: Partial<LatchkeyOptions> = {},
) {
  const storage = memoryStorage();
  const sent: Sent[] = [];
  const latchkey: Latchkey = createLatchkey({
    url: `${app.address}/graphql`,
    storage,
    fetch: (input, init) => {
      const { query } = JSON.parse(String(init?.body)) as { query: string };
      const authorization = new Headers(init?.headers).get("authorization");
      sent.push({ field: /{\s*(\w+)/.exec(query)![1]!, authorization });
      return send(input, init);
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
  };
}

interface Sent {
  field: string;
  authorization: string | null;
}

/** A client whose user has just signed in. */
export async function signedInClient(app: App, options?: Partial<LatchkeyOptions>) {
  const { username, id } = await makeUser(app);
  const client = makeClient(app, options);
  await client.latchkey.signIn(username, PASSWORD);
  client.fields();
  return { ...client, username, id };
}

export const ME_QUERY = "{ me { username } }";
