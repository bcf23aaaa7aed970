import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import bcrypt from "bcrypt";
import { systemClock } from "../src/clock.js";
import type { PrintedMailer } from "../src/email/printed.js";
import { type App, makeApp, PASSWORD, SECRET_KEY } from "./support/app.js";
import { DATABASES, emptyDatabaseUrl } from "./support/databases.js";
import { LOGIN, ME } from "./support/operations.js";
import { runCli, startBuilt } from "./support/program.js";

const ok = (stdout: unknown) => ({ code: 0, stdout, stderr: "" });
const refused = (stderr: string) => ({ code: 1, stdout: "", stderr: `${stderr}\n` });

const NOT_CSV = "This line is not valid CSV, or does not have the columns of the first line.";
const NOT_JSON = "This line is not a JSON object.";
const NOT_UTF8 = "This line is not valid UTF-8.";
const BAD_HASH =
  "Invalid input: password_hash must be a bcrypt hash ($2a$, $2b$ or $2y$) of a cost from 4 to 15.";
const BAD_EMAIL = "Invalid input: email must be an email address.";
const USERNAME_TAKEN = "This username is already in use.";
const EMAIL_TAKEN = "This email is already in use.";

const B = bcrypt.hashSync(PASSWORD, 4);
const A = bcrypt.hashSync(PASSWORD, bcrypt.genSaltSync(4, "a"));
const Y = bcrypt.hashSync(PASSWORD, 4).replace("$2b$", "$2y$");
const TOO_COSTLY = B.replace("$04$", "$31$");

/** Each file has the same three good users, the lines that are reported, and nothing else. */
const FILES = {
  "users.csv": [
    ["username,email,hashed_password,full_name,disabled,notes"],
    [`anna,anna@example.com,${A},"Doe, Anna",False,`],
    ["carl,carl@example.com,a password,Carl,,", BAD_HASH],
    [`dora,dora@example.com,${TOO_COSTLY},Dora,,`, BAD_HASH],
    [`elsa,elsa@example.com,${B},"left open,,`, NOT_CSV],
    [` Ben , BEN@example.com ,${B},"Ben ""B"" Doe",,"says ""hello, world"""`],
    [`fred,fred@example.com,${B}`, NOT_CSV],
    [""],
    [`greg,,${B},Greg,,`, BAD_EMAIL],
    [`anna,other@example.com,${B},Anna,,`, USERNAME_TAKEN],
    [`hans,hans@example.com,${B},"Hans"M,,`, NOT_CSV],
    [`ines,ines@example.com,${B},In\xe9s,,`, NOT_UTF8],
    [`other,anna@example.com,${B},Anna,,`, EMAIL_TAKEN],
    [`"cleo","cleo@example.com","${Y}","Cleo",True,"" `],
    [`jan,jan@example.com,${B},Jan,,,`, NOT_CSV],
    [`kim,kim@example.com,${B},Kim,maybe,`, "Invalid input: disabled must be true or false."],
  ],
  "users.jsonl": [
    [json({ username: "anna", email: "anna@example.com", hashed_password: A, full_name: "Doe, Anna" })],
    [json({ username: "carl", email: "carl@example.com", hashed_password: "a password" }), BAD_HASH],
    [json({ username: "dora", email: "dora@example.com", password_hash: TOO_COSTLY }), BAD_HASH],
    [json({ username: "elsa", email: "elsa@example.com", password_hash: B }).slice(0, -1), NOT_JSON],
    [""],
    [json({ username: "Ben", email: "BEN@example.com", password_hash: B, full_name: 'Ben "B" Doe' })],
    [json(["fred", "fred@example.com", B]), NOT_JSON],
    [json({ username: "greg", hashed_password: B }), BAD_EMAIL],
    [json({ username: "anna", email: "other@example.com", password_hash: B }), USERNAME_TAKEN],
    [json({ username: "other", email: "anna@example.com", password_hash: B }), EMAIL_TAKEN],
    [json({ username: "ines", email: "ines@example.com", password_hash: B, full_name: "In\xe9s" }), NOT_UTF8],
    [
      json({ username: 7, email: "seven@example.com", password_hash: B }),
      "Invalid input: username must be text.",
    ],
    [
      json({
        username: "cleo",
        email: "cleo@example.com",
        hashed_password: Y,
        full_name: "Cleo",
        disabled: true,
      }),
    ],
    ["null", NOT_JSON],
  ],
} satisfies Record<string, ([string] | [string, string])[]>;

function json(value: unknown): string {
  return JSON.stringify(value);
}

const directory = mkdtempSync(join(tmpdir(), "latchkey-"));

function file(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function cliOn(databaseUrl: string) {
  return (args: string[], input = "") => runCli(args, { input, env: { DATABASE_URL: databaseUrl } });
}

async function usernamesOf(app: App): Promise<string[]> {
  const usernames: string[] = [];
  for await (const { username } of app.latchkey.operator.list()) usernames.push(username);
  return usernames;
}

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

  test("migrate does so once, whoever else does at the same time", async () => {
    const empty = cliOn(await emptyDatabaseUrl(database));
    const ends = await Promise.all([1, 2, 3, 4].map(() => empty(["migrate"])));
    expect(ends.sort((a, b) => a.stdout.localeCompare(b.stdout))).toEqual([
      ok(expect.stringMatching(/^Applied 0001_\w+(, \w+)*\.\n$/)),
      ...Array(3).fill(ok("The database is up to date.\n")),
    ]);
  });

  test("user create takes the first line of standard input, as it is, for the password", async () => {
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

  test("user create says what to do about what it refuses", async () => {
    await app.createUser("taken");
    const create = (username: string, email: string, input = PASSWORD) =>
      cli(["user", "create", username, "--email", email], input);
    expect(
      await Promise.all([
        create("Taken", "new@example.com"),
        create("new", "Taken@Example.com"),
        create("new", "new@example.com", "CANARY"),
      ]),
    ).toEqual([
      refused("latchkey: This username is already in use."),
      refused("latchkey: This email is already in use."),
      refused(
        "latchkey: Invalid input: the password must be at least 15 characters; a few words are easiest.",
      ),
    ]);
    expect(await usernamesOf(app)).not.toContain("new");
  });

  test("disable, enable and set-password are felt at once by a running server", async () => {
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
    // The command has sent nothing itself. Nobody has shown yet that the other address is theirs.
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

  test("user import and list are at ease with thousands", async () => {
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

describe.each([
  ["users.csv", "sqlite"],
  ["users.jsonl", "postgres"],
] as const)("user import of %s on %s", (name, database) => {
  const lines: (readonly [string, string?])[] = FILES[name];
  let imported: App;
  let importInto: ReturnType<typeof cliOn>;
  let path: string;
  const stderr = lines.flatMap(([, problem], i) => (problem ? [`line ${i + 1}: ${problem}\n`] : [])).join("");
  const failed = lines.filter(([, problem]) => problem).length;
  beforeAll(async () => {
    // One line is not UTF-8: "é" is a single byte there.
    const text = lines.map(([line]) => line).join("\r\n");
    path = file(name, Buffer.concat([Buffer.from("\uFEFF"), Buffer.from(text, "latin1")]));
    imported = await makeApp({ database });
    importInto = cliOn(imported.databaseUrl);
  });
  afterAll(() => imported.close());

  test("writes the good lines and reports the others by number", async () => {
    expect(await importInto(["user", "import", path])).toEqual({
      code: 1,
      stdout: `Created 3, already there 0, failed ${failed}.\n`,
      stderr,
    });
    expect(await usernamesOf(imported)).toEqual(["anna", "ben", "cleo"]);
  });

  test("lets the users log in with the passwords they had", async () => {
    expect((await imported.login("anna")).user).toMatchObject({ fullName: "Doe, Anna", disabled: false });
    expect((await imported.login("ben@example.com")).user).toMatchObject({ fullName: 'Ben "B" Doe' });
    expect((await imported.send(LOGIN, { username: "cleo", password: PASSWORD })).status).toBe(403);
    await imported.latchkey.operator.enable("cleo");
    await imported.login("cleo");
  });

  test("changes nothing that is there when it is run again", async () => {
    await imported.latchkey.operator.setPassword("ben", `another ${PASSWORD}`);
    expect(await importInto(["user", "import", path])).toEqual({
      code: 1,
      stdout: `Created 0, already there 3, failed ${failed}.\n`,
      stderr,
    });
    await imported.login("ben", `another ${PASSWORD}`);
    await imported.login("cleo");
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

  test("no command but create makes an unknown user", async () => {
    const commands = ["disable", "enable", "set-password", "verify"];
    expect(await Promise.all(commands.map((command) => cli(["user", command, "nobody"], PASSWORD)))).toEqual(
      commands.map(() => refused("latchkey: There is no user with this username.")),
    );
  });

  test("user import refuses a file that it cannot make out", async () => {
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
  test("keys rotate announces the next key, and keys retire removes only what does not sign", async () => {
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
      refused("latchkey: There is no such key, or it still signs: rotate, and retire it a minute later."),
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
});
