import { statSync } from "node:fs";
import { SingleBar } from "cli-progress";
import { Command } from "commander";
import { compose, type Latchkey } from "../compose.js";
import { type Config, ConfigError, loadConfig, readEnvironment } from "../config.js";
import { blame, exitWithMessage } from "../exit.js";
import { printSdl } from "../graphql/schema.js";
import { createLogger } from "../logger.js";
import { doubtfulVariables } from "../misspelled-variables.js";
import type { SigningKeys } from "../services/keys/signing-keys.js";
import { migrate, ping } from "../storage/database.js";
import { askForPassword } from "./password-prompt.js";
import { openUserFile } from "./user-file.js";

const program = new Command("latchkey").description("The operator's commands. Configured as the server is.");

// Commander quotes what it does not understand, which may be a password somebody put there.
program.configureOutput({
  outputError: (message, write) =>
    write(`${message.trimEnd().replace(/(got \d+): .*|(--[^=']*)=.*/s, "$1$2…")}\n`),
});

program
  .command("migrate")
  .description("bring the database up to date (the server does it too when it starts)")
  .action(() =>
    withDatabase(async (_latchkey, applied) => {
      print(applied.length > 0 ? `Applied ${applied.join(", ")}.` : "The database is up to date.");
    }),
  );

const user = program.command("user").description("manage users");

user
  .command("create <username>")
  .description("make a user; the password is asked for, or read from standard input")
  .requiredOption("--email <address>", "the user's email address, which counts as verified")
  .option("--full-name <name>", "the name to show to people")
  .option("--admin", "let the user administer all users")
  .action((username: string, options: { email: string; fullName?: string; admin?: true }) =>
    withDatabase(async ({ operator }) => {
      const { email, fullName = null, admin } = options;
      const account = { username, email, fullName, roles: admin && (["ADMIN"] as const) };
      const created = await operator.create(account, await askForPassword());
      print(`Created ${created.username}.`);
    }),
  );

user
  .command("list")
  .description("list all users")
  .action(() =>
    withDatabase(async ({ operator }) => {
      for await (const { username, email, roles, disabledAt } of operator.list()) {
        const state = disabledAt === null ? "" : `  disabled since ${new Date(disabledAt).toISOString()}`;
        print(`${username.padEnd(32)}  ${email.padEnd(32)}  ${roles.join(", ")}${state}`);
      }
    }),
  );

user
  .command("disable <username>")
  .description("refuse a user from now on, and end their sessions")
  .action((username: string) =>
    withDatabase(async ({ operator }) => {
      await operator.disable(username);
      print(`Disabled ${username}.`);
    }),
  );

user
  .command("enable <username>")
  .description("let a disabled user in again")
  .action((username: string) =>
    withDatabase(async ({ operator }) => {
      await operator.enable(username);
      print(`Enabled ${username}.`);
    }),
  );

user
  .command("set-password <username>")
  .description("set a user's password, asked for or read from standard input, and end their sessions")
  .action((username: string) =>
    withDatabase(async ({ operator }) => {
      await operator.setPassword(username, await askForPassword());
      print(`Set the password of ${username}.`);
    }),
  );

user
  .command("import <file>")
  .description("take over users with their bcrypt hashes from a .csv or .jsonl file; safe to run again")
  .action((file: string) =>
    withDatabase(async ({ userImport }) => {
      const size = statSync(file).size;
      const { source, lines } = openUserFile(file);
      const bar = new SingleBar({
        format: "{bar} {percentage}%, {eta_formatted} left",
        stream: process.stderr,
      });
      bar.start(size, 0);
      const { created, existing, failed } = await userImport
        .import(lines, () => bar.update(source.bytesRead))
        .finally(() => bar.stop());
      for (const { line, problem } of failed) process.stderr.write(`line ${line}: ${problem}\n`);
      print(`Created ${created}, already there ${existing}, failed ${failed.length}.`);
      if (failed.length > 0) process.exitCode = 1;
    }),
  );

const keys = program.command("keys").description("manage the keys that access tokens are signed with");

keys
  .command("list")
  .description("list the keys that verify, oldest first")
  .action(() =>
    withSigningKeys(async (signingKeys) => {
      for (const { kid, algorithm, createdAt, expiresAt } of await signingKeys.list()) {
        const state = expiresAt === null ? "newest" : `verifies until ${new Date(expiresAt).toISOString()}`;
        print(`${kid}  ${algorithm}  made ${new Date(createdAt).toISOString()}  ${state}`);
      }
    }),
  );

keys
  .command("rotate")
  .description(
    "make a new key, which signs in a minute; the old one verifies until its last token has expired",
  )
  .action(() =>
    withSigningKeys(async (signingKeys) => {
      const { kid, signsFrom } = await signingKeys.rotate();
      print(`Made ${kid}, which signs from ${new Date(signsFrom).toISOString()}.`);
    }),
  );

keys
  .command("retire <kid>")
  .description("remove a key that does not sign any more, with the tokens it signed")
  .action((kid: string) =>
    withSigningKeys(async (signingKeys) => {
      await signingKeys.retire(kid);
      print(`Retired ${kid}.`);
    }),
  );

program
  .command("schema")
  .description("the GraphQL schema")
  .command("print")
  .description("print the schema as SDL")
  .action(() => withLatchkey(async ({ schema }) => print(printSdl(schema).trimEnd())));

async function withDatabase(work: (latchkey: Latchkey, applied: string[]) => Promise<void>): Promise<void> {
  await withLatchkey(async (latchkey, config) => {
    await blame("DATABASE_URL", ping(latchkey.db));
    const { applied } = await migrate(config.database);
    await work(latchkey, applied);
  });
}

async function withSigningKeys(work: (signingKeys: SigningKeys) => Promise<void>): Promise<void> {
  await withDatabase(async ({ signingKeys }) => {
    if (signingKeys === undefined) {
      throw new ConfigError("With ALGORITHM=HS256 the one key is SECRET_KEY: change that instead");
    }
    await work(signingKeys);
  });
}

async function withLatchkey(work: (latchkey: Latchkey, config: Config) => Promise<void>): Promise<void> {
  const environment = readEnvironment();
  const config = loadConfig(environment);
  for (const doubt of doubtfulVariables(environment)) process.stderr.write(`latchkey: ${doubt}\n`);
  const latchkey = compose(config, { logger: createLogger(config) });
  try {
    await work(latchkey, config);
  } finally {
    await latchkey.close();
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

// Such as `user list | head`, which closes the pipe when it has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  exitWithMessage(error);
});

try {
  await program.parseAsync();
} catch (error) {
  exitWithMessage(error);
}
