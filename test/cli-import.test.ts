import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import bcrypt from "bcrypt";
import { type App, makeApp, PASSWORD } from "./support/app.js";
import { cliOn, file, usernamesOf } from "./support/cli.js";
import { LOGIN } from "./support/operations.js";

const json = JSON.stringify;

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

  test("lets the users log in with their old passwords", async () => {
    expect((await imported.login("anna")).user).toMatchObject({ fullName: "Doe, Anna", disabled: false });
    expect((await imported.login("ben@example.com")).user).toMatchObject({ fullName: 'Ben "B" Doe' });
    expect((await imported.send(LOGIN, { username: "cleo", password: PASSWORD })).status).toBe(403);
    await imported.latchkey.operator.enable("cleo");
    await imported.login("cleo");
  });

  test("changes nothing in a second run", async () => {
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
