import { readFileSync } from "node:fs";
import { Command } from "commander";
import { exitWithMessage } from "../exit.js";
import { addKeyCommands } from "./key-commands.js";
import { addUserCommands } from "./user-commands.js";
import { migrateDatabase, print, withLatchkey } from "./with-latchkey.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("latchkey")
  .description("The server and its operator's commands, which read the same settings.")
  .version(version)
  // Commander's own takes one name only: `help user create` would fail.
  .helpCommand(false)
  // Commander quotes what it does not understand, which may be a password that somebody typed there.
  .configureOutput({
    outputError: (message, write) =>
      write(
        `${message
          .trimEnd()
          .replace(/^error: /, "latchkey: ")
          .replace(/(got \d+): .*|(--[^=']*)=.*/s, "$1$2…")}\n`,
      ),
  });

program
  .command("serve")
  .description("start the server")
  .action(async () => {
    await import("../serve.js");
  });

program
  .command("migrate")
  .description("bring the database up to date (the server does it when it starts)")
  .action(() =>
    withLatchkey(async (latchkey, { database }) => {
      const applied = await migrateDatabase(latchkey, database);
      print(applied.length > 0 ? `Applied ${applied.join(", ")}.` : "The database is up to date.");
    }),
  );

addUserCommands(program);
addKeyCommands(program);

program
  .command("schema")
  .description("the GraphQL schema")
  .command("print")
  .description("print the schema as SDL")
  .option("--federation", "as a subgraph of Apollo Federation, for composition")
  .action(({ federation }: { federation?: true }) =>
    withLatchkey(async (latchkey) => {
      const { composeSchema, printSubgraph } = await import("../compose/schema.js");
      const { printSdl } = await import("../graphql/schema.js");
      print((federation ? printSubgraph(latchkey) : printSdl(composeSchema(latchkey))).trimEnd());
    }),
  );

program
  .command("help [command...]")
  .description("display help for a command")
  .action((names: string[]) => {
    let command: Command = program;
    for (const name of names) command = command.commands.find((each) => each.name() === name) ?? command;
    command.help();
  });

program.hook("preAction", (_program, command) => {
  // For a server, losing the reader of its log is a failure.
  if (command.name() === "serve") return;
  // A reader such as `user list | head` closes the pipe when it has seen enough.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    exitWithMessage(error);
  });
});

try {
  await program.parseAsync();
} catch (error) {
  exitWithMessage(error);
}
