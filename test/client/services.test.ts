import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { createFetch } from "@latchkey/client/fetch";
import { createVerifier, type Verifier, type Viewer } from "@latchkey/client/server";
import { requireUser } from "@latchkey/client/server/graphql";
import fastify from "fastify";
import { createSchema, createYoga } from "graphql-yoga";
import { MINUTE } from "../../src/clock.js";
import { type App, makeApp } from "../support/app.js";
import { signedInClient } from "../support/client.js";
import { fakeDate } from "../support/fake-date.js";
import { closeWithFile } from "../support/opened.ts";
import { makeUser } from "../support/users.js";

declare module "fastify" {
  interface FastifyRequest {
    viewer?: Viewer;
  }
}

const ISSUER = "http://localhost:4000";
const typeDefs = `type Query { hello: String! whoami: ID! secret: String! }`;
const resolvers = {
  Query: {
    hello: () => "world",
    whoami: (_: unknown, __: unknown, context: { viewer: Viewer }) => requireUser(context).id,
    secret: (_: unknown, __: unknown, context: { viewer: Viewer }) => requireUser(context, "ADMIN").id,
  },
};

const close = (server: Server) =>
  closeWithFile(() => {
    server.closeAllConnections();
    server.close();
  });

/** Each starts a service that trusts Latchkey's tokens, and returns the address of its GraphQL. */
const SERVICES: Record<string, (verifier: Verifier) => Promise<string>> = {
  async "Apollo Server"(verifier) {
    const server = new ApolloServer({ typeDefs, resolvers });
    const { url } = await startStandaloneServer(server, {
      context: verifier.context,
      listen: { host: "127.0.0.1", port: 0 },
    });
    closeWithFile(() => server.stop());
    return url;
  },
  async "GraphQL Yoga"(verifier) {
    const yoga = createYoga({
      schema: createSchema<{ viewer: Viewer }>({ typeDefs, resolvers }),
      context: verifier.context,
      logging: false,
    });
    const server = createServer(yoga);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    close(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  },
};

let app: App;
let verifier: Verifier;
beforeAll(async () => {
  app = await makeApp();
  fakeDate(app.clock.now());
  const keysUrl = `${app.address}/.well-known/jwks.json`;
  verifier = createVerifier({ issuer: ISSUER, keysUrl });
});
afterAll(() => void jest.useRealTimers());

describe.each(Object.entries(SERVICES))("%s", (_, start) => {
  let url: string;
  beforeAll(async () => {
    url = await start(verifier);
  });

  async function query(query: string, authorization?: string) {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...(authorization && { authorization }) },
      body: JSON.stringify({ query }),
    });
    const { data, errors } = await response.json();
    return { status: response.status, data, error: errors?.[0] };
  }

  test("knows the user of a token", async () => {
    const { token, id } = await makeUser(app);
    expect((await query("{ whoami }", `bearer ${token}`)).data).toEqual({ whoami: id });
  });

  test.each([
    ["MISSING_TOKEN", undefined, "Sign in first, and send the access token as `Authorization: Bearer …`."],
    [
      "UNSUPPORTED_SCHEME",
      "Basic eDp5",
      "The `Authorization` header must be `Bearer`, a space and the access token.",
    ],
    ...["Bearer", "Bearer a b", "Bearer x.y.z"].map(
      (authorization) =>
        [
          "INVALID_TOKEN",
          authorization,
          "The access token is not valid. Refresh it, or sign in again.",
        ] as const,
    ),
  ])("refuses %s in what needs a user, and nothing else", async (reason, authorization, message) => {
    expect((await query("{ hello }", authorization)).data).toEqual({ hello: "world" });
    expect(await query("{ whoami }", authorization)).toMatchObject({
      status: 401,
      error: { message, extensions: { code: "UNAUTHENTICATED", reason } },
    });
  });

  test("refuses a user without the role", async () => {
    const { token } = await makeUser(app);
    expect(await query("{ secret }", `Bearer ${token}`)).toMatchObject({
      status: 403,
      error: { message: "You are not allowed to do this.", extensions: { code: "FORBIDDEN" } },
    });
    const admin = await makeUser(app, undefined, ["ADMIN"]);
    expect((await query("{ secret }", `Bearer ${admin.token}`)).data).toEqual({ secret: admin.id });
  });

  test("is used on by a front end that learns from it that its token has expired", async () => {
    fakeDate(app.clock.now() + 16 * MINUTE);
    const { latchkey, id, fields } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    const response = await createFetch(latchkey, { origins: [url] })(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "{ whoami }" }),
    });
    expect(await response.json()).toEqual({ data: { whoami: id } });
    expect(fields()).toEqual(["refreshToken"]);
  });
});

describe("a service that cannot fetch the keys", () => {
  test("says so, and does not sign anybody out", async () => {
    const unreachable = createVerifier({ issuer: "http://127.0.0.1:9" });
    const { viewer } = await unreachable.context({ headers: { authorization: "Bearer x.y.z" } });
    expect(viewer).toEqual({ kind: "anonymous", reason: "INVALID_TOKEN" });
    const { token } = await makeUser(app);
    const context = await unreachable.context({ headers: { authorization: `Bearer ${token}` } });
    expect(context).toEqual({ viewer: { kind: "unknown" } });
    expect(() => requireUser(context)).toThrow(
      expect.objectContaining({
        message: "Access tokens cannot be verified at the moment.",
        extensions: { code: "SERVICE_UNAVAILABLE", retryAfter: 5, http: { status: 503 } },
      }),
    );
  });
});

describe("Fastify", () => {
  async function start() {
    const server = fastify();
    server.addHook("onRequest", verifier.fastifyHook);
    // As @as-integrations/fastify calls the context function.
    server.get("/", async (request) => [request.viewer, (await verifier.context(request)).viewer]);
    closeWithFile(() => server.close());
    return server;
  }

  test("serves signed-in users", async () => {
    const { token, id } = await makeUser(app);
    const answer = await (await start()).inject({ url: "/", headers: { authorization: `Bearer ${token}` } });
    const viewer = expect.objectContaining({ kind: "user", id, roles: ["USER"] });
    expect([answer.statusCode, answer.json()]).toEqual([200, [viewer, viewer]]);
  });

  test.each([
    ["MISSING_TOKEN", undefined, "Bearer"],
    ["UNSUPPORTED_SCHEME", "Basic eDp5", "Bearer"],
    ["INVALID_TOKEN", "Bearer x.y.z", 'Bearer error="invalid_token"'],
  ])("refuses %s as RFC 6750 says", async (reason, authorization, challenge) => {
    const answer = await (await start()).inject({
      url: "/",
      headers: { ...(authorization && { authorization }) },
    });
    expect([answer.statusCode, answer.headers["www-authenticate"]]).toEqual([401, challenge]);
    expect(answer.json()).toMatchObject({ code: "UNAUTHENTICATED", reason });
  });
});
