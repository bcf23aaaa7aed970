import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import bcrypt from "bcrypt";
import { print } from "graphql";
import { PASSWORD } from "./support/app.js";
import { LOGIN } from "./support/operations.js";
import { type Ended, type Program, startProgram } from "./support/program.js";

/** The state after `npm prune --omit=dev`: the build, and the production packages of the lock file. */
function prunedCopy(): string {
  const directory = mkdtempSync(join(tmpdir(), "latchkey-"));
  cpSync("dist", join(directory, "dist"), { recursive: true });
  cpSync("package.json", join(directory, "package.json"));
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
    packages: Record<string, { dev?: true }>;
  };
  for (const [path, { dev }] of Object.entries(packages)) {
    // A nested package is part of the package around it.
    if (!/^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) || dev || !existsSync(path)) continue;
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    symlinkSync(resolve(path), join(directory, path));
  }
  return directory;
}

/** Every command in the documentation for operators, such as `user create`. */
const DOCUMENTED = new Set(
  ["README.md", "docs/operations.md"].flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/node dist\/cli\.js ([a-z]+(?: [a-z-]+)?)/g)].map(
      ([, command]) => command!,
    ),
  ),
);

describe("in production, without development packages", () => {
  const cwd = prunedCopy();
  writeFileSync(
    join(cwd, "users.csv"),
    `username,email,password_hash\nbob,bob@example.com,${bcrypt.hashSync(PASSWORD, 10)}\n`,
  );
  const options = {
    cwd,
    env: {
      // A package must resolve packages beside its link, not beside the target of the link.
      NODE_OPTIONS: "--preserve-symlinks",
      PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
      DATABASE_URL: `sqlite:${join(cwd, "data", "latchkey.db")}`,
      PUBLIC_URL: "https://auth.example.com",
      PORT: "0",
      EXPLORER: "on",
    },
  };
  /** The first two have their own tests. */
  const ran = new Set(["serve", "user verify"]);
  let server: Program;
  let address: string;
  beforeAll(async () => {
    server = startProgram(process.execPath, ["dist/main.js"], options);
    [, address = ""] = await server.printed(/"msg":"Server listening at (http:[^"]+)"/);
    expect(server.stdout()).toContain(
      '"msg":"SMTP_URL is not set: no email is sent, so nobody can be invited or reset a password"',
    );
  });
  afterAll(async () => {
    server.child.kill("SIGTERM");
    await server.ended;
  });

  function cli(command: string, args: string[] = [], input = ""): Promise<Ended> {
    ran.add(command);
    const all = ["dist/cli.js", ...command.split(" "), ...args];
    return startProgram(process.execPath, all, { ...options, input }).ended;
  }

  async function rolesOf(username: string): Promise<unknown> {
    const response = await fetch(`${address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: print(LOGIN), variables: { username, password: PASSWORD } }),
    });
    const { data } = (await response.json()) as { data: { login: { user: { roles: string[] } } } };
    return data.login.user.roles;
  }

  test("there are no development packages", () => {
    expect(existsSync(join(cwd, "node_modules", "typescript"))).toBe(false);
  });

  test("the explorer is part of the build", async () => {
    const page = await (await fetch(`${address}/explorer`)).text();
    const [path] = /explorer\/assets\/graphiql-\w+\.js/.exec(page)!;
    const { status, headers } = await fetch(`${address}/${path}`);
    expect([status, headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"]);
  });

  test("`npm run cli` creates the first administrator beside the running server, who then logs in", async () => {
    ran.add("user create");
    const create = ["user", "create", "alice", "--email", "alice@example.com", "--admin"];
    const npm = ["run", "--silent", "cli", "--", ...create];
    expect(await startProgram("npm", npm, { ...options, input: PASSWORD }).ended).toEqual({
      code: 0,
      stdout: "Created alice.\n",
      stderr: "",
    });
    expect(await rolesOf("alice")).toEqual(["USER", "ADMIN"]);
  });

  test("users are imported, and log in", async () => {
    expect(await cli("user import", ["users.csv"])).toEqual({
      code: 0,
      stdout: "Created 1, already there 0, failed 0.\n",
      stderr: "",
    });
    expect(await rolesOf("bob")).toEqual(["USER"]);
  });

  test("keys are listed, rotated and retired", async () => {
    const { stdout } = await cli("keys list");
    expect(stdout).toMatch(/^\S{43} {2}ES256 {2}created \S+Z {2}newest\n$/);
    expect((await cli("keys rotate")).stdout).toMatch(/^Created \S{43}, which signs from \S+Z\.\n$/);
    // It still signs for a minute.
    expect(await cli("keys retire", [stdout.slice(0, 43)])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^latchkey: There is no such key, or it still signs: [^\n]*\n$/),
    });
  });

  test("every other documented command succeeds", async () => {
    const said = await Promise.all([
      cli("migrate"),
      cli("user list"),
      cli("user set-password", ["bob"], `another ${PASSWORD}`),
    ]);
    expect(said.map(({ code, stdout, stderr }) => [code, stdout.split("\n")[0], stderr])).toEqual([
      [0, "The database is up to date.", ""],
      [0, expect.stringMatching(/^alice {2,}alice@example\.com {2,}USER, ADMIN$/), ""],
      [0, "Set the password of bob.", ""],
    ]);
    expect((await cli("user disable", ["bob"])).stdout).toBe("Disabled bob.\n");
    expect((await cli("user enable", ["bob"])).stdout).toBe("Enabled bob.\n");
    expect((await cli("user reset-mfa", ["bob"])).stdout).toBe("Removed the second factors of bob.\n");
    expect((await cli("schema print")).stdout).toBe(readFileSync("schema.graphql", "utf8"));
    expect((await cli("help")).stdout).toMatch(/^Usage: latchkey /);
    expect([...DOCUMENTED].filter((command) => !ran.has(command))).toEqual([]);
    expect([...ran].filter((command) => !DOCUMENTED.has(command))).toEqual([]);
  });
});
