import { existsSync, statSync } from "node:fs";
import { SingleBar } from "cli-progress";
import type { Command } from "commander";
import { ConfigError } from "../config.js";
import type { User } from "../storage/users.js";
import { askForPassword } from "./password-prompt.js";
import { openUserFile } from "./user-file.js";
import { print, warn, withDatabase } from "./with-latchkey.js";

/** Adds `latchkey user …`. */
export function addUserCommands(program: Command): void {
  const user = program.command("user").description("manage users");

  user
    .command("create <username>")
    .description("create a user; the password is prompted for, or read from standard input")
    .requiredOption("--email <address>", "the user's email address, which counts as verified")
    .option("--full-name <name>", "the name shown to people")
    .option("--admin", "make the user an administrator")
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
        for await (const user of operator.list()) {
          const columns = [user.username.padEnd(32), user.email.padEnd(32), user.roles.join(", ")];
          print([...columns, ...statesOf(user)].join("  "));
        }
      }),
    );

  user
    .command("disable <username>")
    .description("disable a user and end their sessions")
    .action((username: string) =>
      withDatabase(async ({ operator }) => {
        await operator.disable(username);
        print(`Disabled ${username}.`);
      }),
    );

  user
    .command("enable <username>")
    .description("enable a disabled user")
    .action((username: string) =>
      withDatabase(async ({ operator }) => {
        await operator.enable(username);
        print(`Enabled ${username}.`);
      }),
    );

  user
    .command("set-password <username>")
    .description(
      "set a user's password, prompted for or read from standard input, and end their sessions; the server notifies them by email",
    )
    .action((username: string) =>
      withDatabase(async ({ operator }) => {
        const user = await operator.get(username);
        await operator.setPassword(username, await askForPassword());
        print(`Set the password of ${username}.`);
        if (user.emailVerifiedAt === null) {
          warn(
            `${username} cannot log in before their email address is verified: latchkey user verify ${username}`,
          );
        }
      }),
    );

  user
    .command("verify <username>")
    .description("mark a user's email address as verified, once you know that it is theirs")
    .action((username: string) =>
      withDatabase(async ({ operator }) => {
        await operator.verify(username);
        print(`Verified the email address of ${username}.`);
      }),
    );

  user
    .command("reset-mfa <username>")
    .description("remove all second factors of a user who has lost them; the server notifies them by email")
    .action((username: string) =>
      withDatabase(async ({ operator }) => {
        await operator.resetMfa(username);
        print(`Removed the second factors of ${username}.`);
      }),
    );

  user
    .command("import <file>")
    .description("import users with their bcrypt hashes from a .csv or .jsonl file; safe to run again")
    .action((file: string) =>
      withDatabase(async ({ userImport }) => {
        if (!existsSync(file)) throw new ConfigError(`There is no file ${file}`);
        const { source, lines } = openUserFile(file);
        const bar = new SingleBar({
          format: "{bar} {percentage}%, {eta_formatted} left",
          stream: process.stderr,
        });
        bar.start(statSync(file).size, 0);
        const { created, existing, failed } = await userImport
          .import(lines, () => bar.update(source.bytesRead))
          .finally(() => bar.stop());
        for (const { line, problem } of failed) process.stderr.write(`line ${line}: ${problem}\n`);
        print(`Created ${created}, already there ${existing}, failed ${failed.length}.`);
        if (failed.length > 0) process.exitCode = 1;
      }),
    );
}

function statesOf({ emailVerifiedAt, disabledAt }: User): string[] {
  return [
    ...(emailVerifiedAt === null ? ["not verified"] : []),
    ...(disabledAt === null ? [] : [`disabled since ${new Date(disabledAt).toISOString()}`]),
  ];
}
