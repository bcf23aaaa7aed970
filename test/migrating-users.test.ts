import { execFileSync } from "node:child_process";
import { readFileSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import bcrypt from "bcrypt";
import sqlite from "better-sqlite3";
import type { PrintedMailer } from "../src/email/printed.js";
import { visible } from "./support/account-emails.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "./support/app.js";
import { cliOn, directory, file } from "./support/cli.js";
import { LOGIN, REQUEST_PASSWORD_RESET, RESET_PASSWORD } from "./support/operations.js";

const GUIDE = readFileSync("docs/migrating-users.md", "utf8");
const hash = bcrypt.hashSync(PASSWORD, 4);

/** The code of this kind below a heading of the guide. */
function codeUnder(heading: string, kind: string): string {
  const section = GUIDE.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  const code = section?.split(`\`\`\`${kind}\n`)[1]?.split("\n```")[0];
  if (code === undefined) throw new Error(`no ${kind} under ${heading}`);
  return code;
}

/** Runs the script of the guide, and returns what it prints. */
function convert(heading: string, args: string[], input = ""): string {
  const script = file(`${heading}.mjs`, codeUnder(heading, "js"));
  return execFileSync(process.execPath, [script, ...args], { input, encoding: "utf8" });
}

describe("the guide for migrating users", () => {
  let app: App;
  beforeAll(async () => {
    symlinkSync(resolve("node_modules"), join(directory, "node_modules"));
    app = await makeApp();
  });
  afterAll(() => app.close());

  async function imports(name: string, content: string, created: number) {
    const cli = cliOn(app.databaseUrl);
    expect(await cli(["user", "import", file(name, content)])).toEqual({
      code: 0,
      stdout: `Created ${created}, already there 0, failed 0.\n`,
      stderr: "",
    });
  }

  async function outcome(username: string, password = PASSWORD) {
    const { data, errors } = await app.send(LOGIN, { username, password });
    return data ? data.login.user.username : errors?.[0]?.extensions?.["code"];
  }

  test("FastAPI's users keep their passwords", async () => {
    const db = sqlite(":memory:");
    db.exec(
      "create table users (id integer, username text, email text, full_name text, hashed_password text, disabled boolean)",
    );
    const insert = db.prepare("insert into users values (?, ?, ?, ?, ?, ?)");
    insert.run(1, "fastapi-anna", "anna@fastapi.example", "Anna Doe", hash, 0);
    insert.run(2, "fastapi-ben", "ben@fastapi.example", null, hash, 1);
    const rows = db.prepare<[], object>(codeUnder("FastAPI", "sql")).all();
    const csv = [Object.keys(rows[0]!), ...rows.map((row) => Object.values(row))].map((fields) =>
      fields.join(","),
    );
    await imports("fastapi.csv", csv.join("\n"), 2);
    expect(await outcome("fastapi-anna")).toBe("fastapi-anna");
    expect(await outcome("fastapi-ben")).toBe("ACCOUNT_DISABLED");
  });

  test("Auth0's users keep their passwords, and those who never verified their address are left out", async () => {
    const connection = "Username-Password-Authentication";
    const lines = [
      { email: "anna+1@auth0.example", email_verified: true, passwordHash: hash, connection },
      { identifiers: [{ type: "email", value: "bo@auth0.example", verified: true }], passwordHash: hash },
      {
        email: "carl@auth0.example",
        email_verified: true,
        username: "auth0-carl",
        passwordHash: hash,
        blocked: true,
      },
      { email: "dora@auth0.example", email_verified: false, passwordHash: hash },
      { identifiers: [{ type: "phone_number", value: "+15550100", verified: true }], passwordHash: hash },
      { email: "elsa@auth0.example", email_verified: true },
    ].map((user) => JSON.stringify(user));
    await imports("auth0.jsonl", convert("Auth0", [], lines.join("\n")), 3);
    expect(await outcome("anna+1@auth0.example")).toBe("anna-1");
    expect(await outcome("bo@auth0.example")).toBe("bo-");
    expect(await outcome("auth0-carl")).toBe("ACCOUNT_DISABLED");
    expect(await outcome("dora@auth0.example")).toBe("INVALID_CREDENTIALS");
  });

  test("Keycloak's users choose a password by email", async () => {
    const credentials = [
      {
        type: "password",
        secretData: '{"value":"1u7BLvfSPxQFpwc5jpGSA==","salt":"x/bm4Y3DcuV9eU97ervkPA=="}',
        credentialData: '{"hashIterations":27500,"algorithm":"pbkdf2-sha256"}',
      },
    ];
    const person = { emailVerified: true, enabled: true, credentials };
    const users = [
      {
        ...person,
        username: "keycloak-anna",
        email: "anna@keycloak.example",
        firstName: "Anna",
        lastName: "Doe",
      },
      { ...person, username: "keycloak-ben", email: "ben@keycloak.example", enabled: false },
      { ...person, username: "keycloak-carl", email: "carl@keycloak.example", emailVerified: false },
      { ...person, username: "service-account-app" },
    ];
    const realm = file("realm.json", JSON.stringify({ realm: "example", users }));
    await imports("keycloak.jsonl", convert("Keycloak", [realm]), 2);
    expect(await outcome("keycloak-anna")).toBe("INVALID_CREDENTIALS");
    expect(GUIDE).toContain("requestPasswordReset(email: $email)");
    await app.send(REQUEST_PASSWORD_RESET, { email: "anna@keycloak.example" });
    await app.latchkey.outbox.deliverDue();
    const [email] = (app.latchkey.mailer as PrintedMailer).emails;
    const token = /token=([\w-]+)/.exec(visible(email!.text))![1]!;
    await app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD });
    expect(await outcome("keycloak-anna", NEW_PASSWORD)).toBe("keycloak-anna");
  });
});
