import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery, isObjectType } from "graphql";
import { closingAfterEach } from "../../support/closing.js";

const start = closingAfterEach();

describe("GET /schema.graphql", () => {
  test("serves the SDL with its directives, as text", async () => {
    const app = await start();
    const { status, headers, text } = await app.request("/schema.graphql");
    expect([status, headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
    expect(text).toBe(readFileSync("schema.graphql", "utf8"));
    expect(text).toContain("deleteAccount: Boolean! @auth(role: USER, maxAgeSeconds: 600)");
  });

  const manifest = join(mkdtempSync(join(tmpdir(), "latchkey-schema-")), "documents.json");
  test.each<[string, NodeJS.ProcessEnv, boolean]>([
    ["in development", {}, true],
    ["with APOLLO_SANDBOX=false", { APOLLO_SANDBOX: "false" }, true],
    ["with APOLLO_SANDBOX=false and EXPLORER=off", { APOLLO_SANDBOX: "false", EXPLORER: "off" }, false],
    ["in production", { NODE_ENV: "production" }, false],
    ["in production with APOLLO_SANDBOX=true", { NODE_ENV: "production", APOLLO_SANDBOX: "true" }, true],
    ["in production with EXPLORER=on", { NODE_ENV: "production", EXPLORER: "on" }, true],
    ["with PERSISTED_DOCUMENTS", { PERSISTED_DOCUMENTS: manifest }, false],
  ])("%s it is there if introspection is (row 62)", async (_name, env, isThere) => {
    writeFileSync(manifest, '{ "id": "{ me { id } }" }');
    const app = await start({ env });
    const { status, text } = await app.request("/schema.graphql");
    if (!isThere) expect(text).toBe('{"error":"There is nothing at this path."}');
    const { data } = await app.post({ query: "{ __schema { queryType { name } } }" });
    expect([status, data != null]).toEqual(isThere ? [200, true] : [404, false]);
  });

  test("introspection shows who may use a field, in its description", async () => {
    const app = await start();
    const { data } = await app.post({ query: getIntrospectionQuery() });
    const schema = buildClientSchema(data as IntrospectionQuery);
    const descriptionOf = (type: string, field: string) => {
      const found = schema.getType(type);
      return isObjectType(found) ? found.getFields()[field]?.description : undefined;
    };
    expect(descriptionOf("Query", "me")).toBe(
      "The signed-in user. Requires a signed-in user. Errors: `UNAUTHENTICATED`.",
    );
    expect(descriptionOf("Mutation", "deleteUser")).toContain(
      "Returns true. Requires a user with the role `ADMIN` who authenticated within the last 10 minutes. Errors:",
    );
    expect(descriptionOf("Mutation", "login")).not.toContain("Requires");
    expect(schema.getMutationType()?.description).toBe(
      "Mutations. A field is public unless its description says what it requires.",
    );
  });
});
