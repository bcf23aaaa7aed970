import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { decodeJwt } from "jose";
import { ConfigError, loadConfig } from "../../../src/config.js";
import { SET_USER_ROLES } from "../../support/administration-operations.js";
import { makeApp, withRefreshToken } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { REFRESH } from "../../support/operations.js";
import { INTROSPECTION_SECRET, introspect } from "../../support/tokens.js";

/** A file with this content, or this value as JSON. */
function claimsFile(content: unknown): string {
  const file = join(mkdtempSync(join(tmpdir(), "latchkey-claims-")), "claims.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

/** The first JSON block of docs/configuration.md that has this text. */
function documented(text: string): string {
  const blocks = readFileSync("docs/configuration.md", "utf8").matchAll(/```json\n([\s\S]*?)```/g);
  return [...blocks].map(([, block]) => block!).find((block) => block.includes(text))!;
}

describe.each(DATABASES)("claims of CLAIMS_FILE on %s", (database) => {
  test("for Hasura, as documented: of a user and of an administrator, in tokens and in introspection", async () => {
    const CLAIMS_FILE = claimsFile(documented("hasura"));
    const app = await makeApp({ database, env: { CLAIMS_FILE, INTROSPECTION_SECRET } });
    const alice = await app.createUser("alice");
    const admin = await app.createUser("admin", undefined, ["ADMIN"]);
    for (const [{ id, username }, role, roles] of [
      [alice, "user", ["user"]],
      [admin, "admin", ["user", "admin"]],
    ] as const) {
      const { accessToken } = await app.login(username);
      const expected = {
        sub: id,
        "https://hasura.io/jwt/claims": {
          "x-hasura-user-id": id,
          "x-hasura-default-role": role,
          "x-hasura-allowed-roles": roles,
        },
      };
      expect(decodeJwt(accessToken)).toMatchObject(expected);
      expect((await introspect(app, accessToken)).json).toMatchObject({ active: true, ...expected });
    }
  });

  test("a change of roles is in the next token, and in introspection at once", async () => {
    const CLAIMS_FILE = claimsFile({ role: "$defaultRole.lowerCase" });
    const app = await makeApp({ database, env: { CLAIMS_FILE, INTROSPECTION_SECRET } });
    const { id } = await app.createUser("alice");
    const { accessToken, refreshToken } = withRefreshToken(await app.login("alice"));
    const before = { role: "user", roles: ["USER"], scope: "profile items:read items:write account" };
    const after = { role: "admin", roles: ["USER", "ADMIN"], scope: `${before.scope} admin` };
    expect(decodeJwt(accessToken)).toMatchObject(before);
    await app.createUser("admin", undefined, ["ADMIN"]);
    const { accessToken: token } = await app.login("admin");
    await app.send(SET_USER_ROLES, { id, roles: ["USER", "ADMIN"] }, { token });
    expect((await introspect(app, accessToken)).json).toMatchObject({ sub: id, ...after });
    app.clock.advance(60_000);
    const refreshed = await app.send(REFRESH, { refreshToken });
    expect(decodeJwt(refreshed.data!.refreshToken.accessToken)).toMatchObject(after);
  });
});

test("every field, literals, nesting and lower case; what a user has no value for is left out", async () => {
  const CLAIMS_FILE = claimsFile({
    "https://example.com/": {
      nested: { deep: ["$id", "literal", 1, true] },
      username: "$username",
      name: "$fullName",
    },
    email: "$email",
    email_verified: "$emailVerified",
    role: "$defaultRole",
    groups: "$roles",
    lower: "$roles.lowerCase",
    verified: "$emailVerified.lowerCase",
  });
  const app = await makeApp({ env: { CLAIMS_FILE } });
  const { id } = await app.createUser("alice");
  const claims = decodeJwt((await app.login("alice")).accessToken);
  expect(claims).toMatchObject({
    "https://example.com/": { nested: { deep: [id, "literal", 1, true] }, username: "alice" },
    email: "alice@example.com",
    email_verified: true,
    role: "USER",
    groups: ["USER"],
    lower: ["user"],
    verified: true,
  });
  expect(claims["https://example.com/"]).not.toHaveProperty("name");
});

test("USER_SCOPES and ADMIN_SCOPES are the scope of tokens", async () => {
  const app = await makeApp({
    env: { USER_SCOPES: "orders:read", ADMIN_SCOPES: "orders:write orders:read" },
  });
  await app.createUser("alice");
  await app.createUser("admin", undefined, ["ADMIN"]);
  const scopeOf = async (username: string) => decodeJwt((await app.login(username)).accessToken)["scope"];
  expect(await scopeOf("alice")).toBe("orders:read");
  expect(await scopeOf("admin")).toBe("orders:read orders:write");
});

const VALUES =
  "must be a literal, or one of $id, $username, $email, $emailVerified, $fullName, $roles, $defaultRole, with .lowerCase after it or not";

test.each([
  ["not JSON", "{", ["the file must be JSON"]],
  ["a list", [], ["the file must be a JSON object"]],
  ["text", '"CANARY"', ["the file must be a JSON object"]],
  ["an unknown field", { a: { b: ["$passwordHash"] } }, [`a → b → 0 ${VALUES}`]],
  ["an unknown form", { a: "$email.upperCase" }, [`a ${VALUES}`]],
  ["null", { a: null }, ["a must not be null"]],
  [
    "too deep",
    { a: { b: { c: { d: { e: { f: 1 } } } } } },
    ["a → b → c → d → e → f is nested too deeply: at most 5 levels"],
  ],
  ["too long", `{ "a": "${"CANARY".repeat(2000)}" }`, ["the file must not have more than 10000 bytes"]],
])("refuses a claims file that is %s, without its values", (_name, content, problems) => {
  const load = () => loadConfig({ CLAIMS_FILE: claimsFile(content) });
  expect(load).toThrow(new ConfigError(problems.map((problem) => `CLAIMS_FILE: ${problem}`).join("\n")));
});

test("no claim of the token itself can be set, nor one that tells verifiers how to treat it", () => {
  const names = [
    ...["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "client_id", "scope", "roles"],
    ...["auth_time", "amr", "acr", "azp", "nonce", "cnf", "act", "may_act", "active", "token_type"],
  ];
  const CLAIMS_FILE = claimsFile(Object.fromEntries(names.map((name) => [name, "ours"])));
  const message = names.map((name) => `CLAIMS_FILE: ${name} cannot be set`).join("\n");
  expect(() => loadConfig({ CLAIMS_FILE })).toThrow(new ConfigError(message));
});

test("claims that can become too long for a header stop the start", async () => {
  const CLAIMS_FILE = claimsFile({ names: ["$fullName", "$fullName", "$fullName"] });
  await expect(makeApp({ env: { CLAIMS_FILE } })).rejects.toThrow(
    new ConfigError(
      "CLAIMS_FILE: the claims of a user whose values are all of the longest take more than 2048 bytes",
    ),
  );
});
