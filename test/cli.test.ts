import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import bcrypt from "bcrypt";
import { systemClock } from "../src/clock.js";
import { printSubgraph } from "../src/compose/schema.js";
import type { PrintedMailer } from "../src/email/printed.js";
import { type App, makeApp, PASSWORD, SECRET_KEY } from "./support/app.js";
import { cliOn, directory, file, usernamesOf } from "./support/cli.js";
import { DATABASES, emptyDatabaseUrl } from "./support/databases.js";
import { LOGIN, ME } from "./support/operations.js";
import { runCli, startBuilt } from "./support/program.js";

const ok = (stdout: unknown) => ({ code: 0, stdout, stderr: "" });
const refused = (stderr: string) => ({ code: 1, stdout: "", stderr: `${stderr}\n` });

const B = bcrypt.hashSync(PASSWORD, 4);
const json = JSON.stringify;

/** As the commands name a PostgreSQL database, without its credentials. */
function nameOf(databaseUrl: string): string {
  const { host, pathname } = new URL(databaseUrl);
  return `${pathname.slice(1)} on ${host}`;
}

/** The table that a list prints. */
const rowsOf = ({ stdout }: { stdout: string }) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));

describe.each(DATABASES)("the operator's commands on %s", (database) => {
  let app: App;
  let cli: ReturnType<typeof cliOn>;
  beforeAll(async () => {
    // The commands know no other clock.
    app = await makeApp({ database, clock: systemClock });
    cli = cliOn(app.databaseUrl);
  });
  afterAll(() => app.close());

  test("concurrent migrations run once", async () => {
    const empty = cliOn(await emptyDatabaseUrl(database));
    const ends = await Promise.all([1, 2, 3, 4].map(() => empty(["migrate"])));
    expect(ends.sort((a, b) => a.stdout.localeCompare(b.stdout))).toEqual([
      ok(expect.stringMatching(/^Applied 0001_\w+(, \w+)*\.\n$/)),
      ...Array(3).fill(ok("The database is up to date.\n")),
    ]);
  });

  test("user create reads the password from the first line of standard input, unchanged", async () => {
    const create = ["user", "create", "Spaced", "--email", "Spaced@example.com", "--full-name", "Spaced Out"];
    expect(await cli(create, ` ${PASSWORD} \r\nmore\n`)).toEqual(ok("Created spaced.\n"));
    expect((await app.send(LOGIN, { username: "spaced", password: PASSWORD })).status).toBe(401);
    const { user } = await app.login("spaced@example.com", ` ${PASSWORD} `);
    expect(user).toMatchObject({ username: "spaced", email: "spaced@example.com", fullName: "Spaced Out" });
  });

  test("user create --admin makes the first administrator, whom the operator cannot disable", async () => {
    const create = ["user", "create", "root", "--email", "root@example.com", "--admin"];
    expect(await cli(create, PASSWORD)).toEqual(ok("Created root.\n"));
    expect((await app.login("root")).user.roles).toEqual(["USER", "ADMIN"]);
    const last = "latchkey: This is the last administrator. Make another user an administrator first.";
    expect(await cli(["user", "disable", "root"])).toEqual(refused(last));
  });

  test("user create explains each refusal", async () => {
    await app.createUser("taken");
    const create = (username: string, email: string, input = PASSWORD) =>
      cli(["user", "create", username, "--email", email], input);
    expect(
      await Promise.all([
        create("Taken", "new@example.com"),
        create("new", "Taken@Example.com"),
        create("new", "new@example.com", "CANARY"),
        create("new", "new@example.com", ""),
      ]),
    ).toEqual([
      refused("latchkey: This username is already in use."),
      refused("latchkey: This email is already in use."),
      refused(
        "latchkey: Invalid input: the password must be at least 15 characters; a few words are easiest.",
      ),
      refused("latchkey: Standard input has no password."),
    ]);
    expect(await usernamesOf(app)).not.toContain("new");
  });

  test("disable, enable and set-password take effect immediately on a running server", async () => {
    await app.createUser("bob");
    const { accessToken: token } = await app.login("bob");
    const newPassword = `another ${PASSWORD}`;
    const reasonOf = async () => (await app.send(ME, {}, { token })).errors?.[0]?.extensions?.["reason"];

    expect(await cli(["user", "disable", "Bob"])).toEqual(ok("Disabled Bob.\n"));
    expect(await reasonOf()).toBe("ACCOUNT_DISABLED");
    expect((await app.send(LOGIN, { username: "bob", password: PASSWORD })).status).toBe(403);
    expect(rowsOf(await cli(["user", "list"]))).toContainEqual([
      "bob",
      "bob@example.com",
      "USER",
      expect.stringMatching(/^disabled since 20.*Z$/),
    ]);

    expect(await cli(["user", "enable", "bob"])).toEqual(ok("Enabled bob.\n"));
    expect(await reasonOf()).toBe("SESSION_REVOKED");
    expect(await cli(["user", "set-password", "bob"], newPassword)).toEqual(ok("Set the password of bob.\n"));
    expect((await app.send(LOGIN, { username: "bob", password: PASSWORD })).status).toBe(401);
    await app.login("bob", newPassword);
  });

  test("set-password tells the user by email, which the running server sends", async () => {
    await app.createUser("dora");
    await app.createUser("emil");
    const { db, jobs, mailer } = app.latchkey;
    await db.updateTable("users").set({ email_verified_at: null }).where("username", "=", "emil").execute();
    for (const username of ["dora", "emil"]) {
      const set = await cli(["user", "set-password", username], `another ${PASSWORD}`);
      const warning = `latchkey: emil cannot log in before their email address is verified: latchkey user verify emil\n`;
      const stdout = `Set the password of ${username}.\n`;
      expect(set).toEqual({ code: 0, stdout, stderr: username === "emil" ? warning : "" });
    }
    const rowOfEmil = async () =>
      rowsOf(await cli(["user", "list"])).find(([username]) => username === "emil");
    expect(await rowOfEmil()).toEqual(["emil", "emil@example.com", "USER", "not verified"]);
    expect(await cli(["user", "verify", "emil"])).toEqual(ok("Verified the email address of emil.\n"));
    expect(await rowOfEmil()).toEqual(["emil", "emil@example.com", "USER"]);
    await app.login("emil", `another ${PASSWORD}`);
    // The command has sent nothing itself. The other address is not verified yet.
    const waiting = db.selectFrom("outbox").select(["kind", "email"]).where("email", "!=", "bob@example.com");
    expect(await waiting.execute()).toEqual([{ kind: "PASSWORD_CHANGED", email: "dora@example.com" }]);
    await jobs.runDue();
    const sent = () =>
      (mailer as PrintedMailer).emails
        .filter(({ to }) => to !== "bob@example.com")
        .map(({ to, subject }) => [to, subject]);
    for (const deadline = Date.now() + 5000; sent().length === 0 && Date.now() < deadline; )
      await setTimeout(20);
    expect(sent()).toEqual([["dora@example.com", "Your password was changed"]]);
  });

  test("user import and list handle thousands of users", async () => {
    const databaseUrl = await emptyDatabaseUrl(database);
    const many = cliOn(databaseUrl);
    const names = Array.from({ length: 3000 }, (_, n) => `user-${String(n).padStart(4, "0")}`);
    const lines = names.map((name) =>
      json({ username: name, email: `${name}@example.com`, password_hash: B }),
    );
    // A separator to some, but not to JSON: RFC 8259.
    lines[1000] = lines[1000]!.replace("}", ',"full_name":"two\u2028lines"}');
    const path = file(`many-${database}.ndjson`, `${lines.join("\n")}\n`);
    // An operator in the wrong directory would otherwise not see which database it was.
    const name = database === "sqlite" ? databaseUrl.replace("sqlite:", "") : nameOf(databaseUrl);
    expect(await many(["user", "import", path])).toEqual({
      code: 0,
      stdout: "Created 3000, already there 0, failed 0.\n",
      stderr: `latchkey: created the database ${name}\n`,
    });
    expect(rowsOf(await many(["user", "list"])).map(([username]) => username)).toEqual(names);

    const cutShort = startBuilt("cli", ["user", "list"], { env: { DATABASE_URL: databaseUrl } });
    cutShort.child.stdout!.destroy();
    expect(await cutShort.ended).toEqual(ok(""));
  });
});

describe("the operator's commands, whatever the database", () => {
  let app: App;
  let cli: ReturnType<typeof cliOn>;
  beforeAll(async () => {
    app = await makeApp();
    cli = cliOn(app.databaseUrl);
  });
  afterAll(() => app.close());

  test("a password as an argument is refused, and not repeated", async () => {
    const create = ["user", "create", "new", "--email", "new@example.com"];
    expect(
      await Promise.all([
        cli([...create, `${PASSWORD}: two\nlines.`], PASSWORD),
        cli([...create, `--password=${PASSWORD}`], PASSWORD),
      ]),
    ).toEqual([
      refused("latchkey: too many arguments for 'create'. Expected 1 argument but got 2…"),
      refused("latchkey: unknown option '--password…"),
    ]);
    expect(await usernamesOf(app)).toEqual([]);
  });

  test("help takes a command of any depth, and a mistyped command is answered with the nearest", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    const [help, mistyped, versionOf] = await Promise.all([
      cli(["help", "user", "create"]),
      cli(["user", "craete"]),
      cli(["--version"]),
    ]);
    expect(help).toEqual(ok(expect.stringMatching(/^Usage: latchkey user create \[options\] <username>\n/)));
    expect(mistyped).toEqual(refused("latchkey: unknown command 'craete'\n(Did you mean create?)"));
    expect(versionOf).toEqual(ok(`${version}\n`));
  });

  test("only create creates a user", async () => {
    const commands = ["disable", "enable", "set-password", "verify"];
    expect(await Promise.all(commands.map((command) => cli(["user", command, "nobody"], PASSWORD)))).toEqual(
      commands.map(() => refused("latchkey: There is no user with this username.")),
    );
  });

  test("user import refuses a file of unknown format", async () => {
    const paths = [
      join(directory, "missing.csv"),
      file("users.txt", "username,email,password_hash\n"),
      file("other-columns.csv", `name,mail,password_hash\nanna,anna@example.com,${B}\n`),
    ];
    expect(await Promise.all(paths.map((path) => cli(["user", "import", path])))).toEqual([
      refused(`latchkey: There is no file ${paths[0]}`),
      refused("latchkey: The file must be .csv, .jsonl or .ndjson."),
      refused("latchkey: The first line must name the columns, at least username,email,password_hash."),
    ]);
    expect(await usernamesOf(app)).toEqual([]);
  });
  test("keys rotate announces the next key, and keys retire removes only a key that does not sign", async () => {
    const keys = (command: string[], ALGORITHM = "ES256") =>
      runCli(["keys", ...command], { env: { DATABASE_URL: app.databaseUrl, SECRET_KEY, ALGORITHM } });
    const { kid: old } = await app.latchkey.keys.signingKey();
    // By the app's clock, which to the commands is the past.
    const { kid: current } = await app.latchkey.signingKeys!.rotate();
    const { code, stdout } = await keys(["rotate"]);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^Created \S{43}, which signs from 20\S+Z\.\n$/),
    ]);
    const next = stdout.slice(8, 51);
    const list = [
      [
        current,
        "ES256",
        expect.stringMatching(/^created \S+Z$/),
        expect.stringMatching(/^verifies until \S+Z$/),
      ],
      [next, "ES256", expect.stringMatching(/^created \S+Z$/), "newest"],
    ];
    expect(rowsOf(await keys(["list"]))).toEqual(list);
    expect(
      await Promise.all([keys(["retire", old]), keys(["retire", current]), keys(["list"], "HS256")]),
    ).toEqual([
      ok(`Retired ${old}.\n`),
      refused(
        "latchkey: There is no such key, or it still signs: rotate, and retire it when the new key signs.",
      ),
      refused("latchkey: ALGORITHM=HS256 has one key, SECRET_KEY: change that instead"),
    ]);
  });

  test("only a command that hashes a password starts a thread", async () => {
    const tell = `process.on("worker", () => process.stderr.write("a thread\\n"))`;
    const env = {
      DATABASE_URL: app.databaseUrl,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tell)}`,
    };
    expect(await runCli(["migrate"], { env })).toEqual(ok("The database is up to date.\n"));
    const create = ["user", "create", "threads", "--email", "threads@example.com"];
    const { code, stderr } = await runCli(create, { env, input: PASSWORD });
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^(a thread\n)+$/)]);
  });

  test("schema print prints schema.graphql, and leaves nothing behind", async () => {
    const cwd = mkdtempSync(join(tmpdir(), "latchkey-"));
    const env = { NODE_ENV: undefined, SECRET_KEY: undefined };
    expect(await runCli(["schema", "print"], { cwd, env })).toEqual(
      ok(readFileSync("schema.graphql", "utf8")),
    );
    expect(readdirSync(cwd)).toEqual([]);
  });

  test("schema print --federation prints the schema of the subgraph, whether FEDERATION is on or not", async () => {
    const app = await makeApp();
    for (const FEDERATION of ["on", "off"])
      expect(await runCli(["schema", "print", "--federation"], { env: { FEDERATION } })).toEqual(
        ok(printSubgraph(app.latchkey)),
      );
  });
});
