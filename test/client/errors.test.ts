import { inspect } from "node:util";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { ERROR_CODES, LatchkeyError, UNAUTHENTICATED_REASONS } from "@latchkey/client";
import { GraphQLEnumType } from "graphql";
import * as server from "../../src/errors.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { makeClient } from "../support/client.js";

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

  test("of a gateway in between keep their message", async () => {
    const { latchkey, setNetwork } = makeClient(app);
    setNetwork(async () => Response.json({ errors: [{ message: "No such subgraph." }], data: null }));
    await expect(latchkey.request("{ me { id } }")).rejects.toMatchObject({
      message: "No such subgraph.",
      code: "INTERNAL_SERVER_ERROR",
    });
  });
});

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
