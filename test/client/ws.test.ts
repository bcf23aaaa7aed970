import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { createVerifier, type Viewer } from "@latchkey/client/server";
import { connectionOptions } from "@latchkey/client/ws";
import { createClient } from "graphql-ws";
import { useServer } from "graphql-ws/use/ws";
import { createSchema } from "graphql-yoga";
import { WebSocketServer } from "ws";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { signedInClient } from "../support/client.js";
import { fakeDate } from "../support/fake-date.js";
import { closeWithFile } from "../support/opened.ts";
import { makeUser } from "../support/users.js";

const typeDefs = "type Query { hello: String } type Subscription { whoami: String! }";
const resolvers = {
  Subscription: {
    whoami: {
      // Tells once, and goes on for ever.
      async *subscribe(_: unknown, __: unknown, { viewer }: { viewer: Viewer }) {
        yield { whoami: viewer.kind === "user" ? viewer.id : viewer.kind };
        await new Promise(() => {});
      },
    },
  },
};

let app: App;
let url: string;
/** Why connections ended. */
const closed: { code: number; reason: string }[] = [];
beforeAll(async () => {
  // Tokens of two seconds.
  app = await makeApp({ config: { accessTokenExpireMinutes: 2 / 60 } });
  fakeDate(app.clock.now());
  const keysUrl = `${app.address}/.well-known/jwks.json`;
  const verifier = createVerifier({ issuer: "http://localhost:4000", keysUrl });
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sockets = new WebSocketServer({ server, path: "/graphql" });
  sockets.on("connection", (socket) =>
    socket.on("close", (code, reason) => closed.push({ code, reason: String(reason) })),
  );
  const service = useServer(
    {
      schema: createSchema({ typeDefs, resolvers }),
      context: (context) => verifier.context(context),
      connectionInitWaitTimeout: 1000,
    },
    sockets,
  );
  closeWithFile(async () => {
    await service.dispose();
    server.close();
  });
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
});
afterAll(() => void jest.useRealTimers());

/** Subscribes, and returns what it receives one by one. */
function subscribe(latchkey: Parameters<typeof connectionOptions>[0]) {
  const client = createClient({ url, ...connectionOptions(latchkey) });
  closeWithFile(() => client.dispose());
  const answers = client.iterate<{ whoami: string }>({ query: "subscription { whoami }" });
  return async () => (await answers.next()).value?.data?.whoami;
}

describe("graphql-ws with the connection options", () => {
  test("connects with the access token, and again at once when it expires", async () => {
    const { latchkey, id, fields } = await signedInClient(app);
    const next = subscribe(latchkey);
    expect(await next()).toBe(id);
    const connected = performance.now();
    expect(await next()).toBe(id);
    expect(performance.now() - connected).toBeGreaterThan(1500);
    expect(fields()).toEqual(["refreshToken"]);
    expect(closed).toContainEqual({ code: 1000, reason: "The access token has expired." });
  });

  test("connects again as another user, and as nobody", async () => {
    const { latchkey, id } = await signedInClient(app);
    const other = await makeUser(app);
    const next = subscribe(latchkey);
    expect(await next()).toBe(id);
    await latchkey.signIn(other.username, PASSWORD);
    expect(await next()).toBe(other.id);
    await latchkey.signOut();
    expect(await next()).toBe("anonymous");
  });

  test("waits while the token cannot be refreshed, and subscribes again", async () => {
    const { latchkey, id, fields, setNetwork } = await signedInClient(app);
    const next = subscribe(latchkey);
    expect(await next()).toBe(id);
    setNetwork(() => Promise.reject(new TypeError("fetch failed")));
    app.clock.advance(3000);
    const again = next();
    for (const deadline = performance.now() + 10_000; !closed.some(({ code }) => code === 4408); ) {
      if (performance.now() > deadline) throw new Error("the server did not close the connection");
      await sleep(50);
    }
    expect(fields()).toContain("refreshToken");
    setNetwork(({ pass }) => pass());
    expect(await again).toBe(id);
  }, 30_000);
});
