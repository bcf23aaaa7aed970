import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { ERROR_CODES, LatchkeyError, UNAUTHENTICATED_REASONS } from "@latchkey/client";
import { GraphQLEnumType } from "graphql";
import * as server from "../../src/errors.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { ME_QUERY, makeClient, signedInClient } from "../support/client.js";
import { closeWithFile } from "../support/opened.ts";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

const valuesOf = (name: string) =>
  (app.schema.getType(name) as GraphQLEnumType).getValues().map((value) => value.name);

describe("the client's errors", () => {
  test("have the codes and reasons of the schema", () => {
    expect(ERROR_CODES).toEqual(Object.keys(server.ERROR_CODES));
    expect(ERROR_CODES).toEqual(valuesOf("ErrorCode"));
    expect(UNAUTHENTICATED_REASONS).toEqual(Object.keys(server.UNAUTHENTICATED_REASONS));
    expect(UNAUTHENTICATED_REASONS).toEqual(valuesOf("UnauthenticatedReason"));
  });

  test("are a union over the codes, each with what belongs to it", async () => {
    const { latchkey } = makeClient(app);
    const error = await latchkey
      .request('mutation { requestPasswordReset(email: "no address") }')
      .catch((error: unknown) => error);
    if (!(error instanceof LatchkeyError)) throw error;
    expect(describeError(error)).toEqual(["email must be an email address"]);
    expect([error.name, error instanceof Error]).toEqual(["LatchkeyError", true]);
  });

  test("contain neither passwords nor tokens", async () => {
    for (const network of [
      () => Promise.reject(new TypeError("fetch failed")),
      async () => new Response("<h1>Bad gateway</h1>", { status: 502 }),
    ]) {
      const { latchkey, storage, setNetwork } = makeClient(app);
      storage.token = "a-refresh-token";
      setNetwork(network);
      const errors: unknown[] = [];
      const keep = (error: unknown) => errors.push(error);
      await latchkey.signIn("alice", PASSWORD).catch(keep);
      await latchkey.accessToken().catch(keep);
      await latchkey.signOut().catch(keep);
      expect(errors).toHaveLength(3);
      expect(inspect(errors, { depth: 10, showHidden: true })).not.toMatch(/CANARY|a-refresh-token/);
    }
  });

  test("that a new token mends are handled wherever they are in an answer", async () => {
    const { latchkey, setNetwork, username, fields } = await signedInClient(app);
    const errors = [
      { message: "There is none.", extensions: { code: "NOT_FOUND" } },
      { message: "Refresh it.", extensions: { code: "UNAUTHENTICATED", reason: "TOKEN_EXPIRED" } },
    ];
    let answered = false;
    setNetwork(async ({ field, pass }) => {
      if (field !== "me" || answered) return pass();
      answered = true;
      return Response.json({ errors, data: null });
    });
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username } });
    expect(fields()).toEqual(["me", "refreshToken", "me"]);
  });

  test("follow a redirect to no other server, which would get the password", async () => {
    const received: string[] = [];
    const other = await listen((request, response) => {
      received.push(request.method!);
      response.end();
    });
    const redirecting = await listen((_, response) => response.writeHead(307, { location: other }).end());
    const { latchkey } = makeClient(app, {
      fetch: (input, init) => fetch(String(input).replace(app.address, redirecting), init),
    });
    await expect(latchkey.signIn("alice", PASSWORD)).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    expect(received).toEqual([]);
  });

  test("of a gateway in between keep their message", async () => {
    const { latchkey, setNetwork } = makeClient(app);
    setNetwork(async () => Response.json({ errors: [{ message: "No such subgraph." }], data: null }));
    await expect(latchkey.request("{ me { id } }")).rejects.toMatchObject({
      message: "No such subgraph.",
      code: "INTERNAL_SERVER_ERROR",
    });
  });
});

/** Starts a server. @returns its address */
async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closeWithFile(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Compiles only when each code has the extensions that the server sends with it. */
function describeError(error: LatchkeyError): string[] {
  switch (error.code) {
    case "BAD_USER_INPUT":
      return error.extensions.violations.map(({ message }) => message);
    case "RATE_LIMITED":
    case "OVERLOADED":
    case "SERVICE_UNAVAILABLE":
      return [error.extensions.retryAfter.toFixed()];
    case "UNAUTHENTICATED":
      return [error.extensions.reason];
    case "MFA_REQUIRED":
      return error.extensions.mfa.methods;
    case "REAUTHENTICATION_REQUIRED":
      return [error.extensions.maxAge.toFixed(), ...error.extensions.methods];
    case "CONFLICT":
      return [error.extensions.field];
    case "INTERNAL_SERVER_ERROR":
      return [error.extensions.errorId];
    case "NETWORK_ERROR":
      return [String(error.extensions.status ?? "no answer")];
    case "INVALID_CREDENTIALS":
    case "ACCOUNT_DISABLED":
    case "EMAIL_NOT_VERIFIED":
    case "MFA_ENROLLMENT_REQUIRED":
    case "FORBIDDEN":
    case "INVALID_TOKEN":
    case "NOT_FOUND":
    case "LIMIT_REACHED":
    case "GRAPHQL_PARSE_FAILED":
    case "GRAPHQL_VALIDATION_FAILED":
    case "PERSISTED_DOCUMENT_NOT_FOUND":
    case "PERSISTED_QUERY_NOT_SUPPORTED":
    case "BAD_REQUEST":
      return [];
    default:
      throw new Error(`Unreachable: ${error satisfies never}`);
  }
}
