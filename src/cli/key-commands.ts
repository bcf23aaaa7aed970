import type { Command } from "commander";
import { ConfigError } from "../config.js";
import type { SigningKeys } from "../services/keys/signing-keys.js";
import { print, withDatabase } from "./with-latchkey.js";

/** Adds `latchkey keys …`. */
export function addKeyCommands(program: Command): void {
  const keys = program.command("keys").description("manage the keys that sign access tokens");

  keys
    .command("list")
    .description("list the keys that verify tokens, oldest first")
    .action(() =>
      withSigningKeys(async (signingKeys) => {
        for (const { kid, algorithm, createdAt, expiresAt } of await signingKeys.list()) {
          const state = expiresAt === null ? "newest" : `verifies until ${isoDate(expiresAt)}`;
          print(`${kid}  ${algorithm}  created ${isoDate(createdAt)}  ${state}`);
        }
      }),
    );

  keys
    .command("rotate")
    .description(
      "create a new key, which signs within a minute; the old key verifies until its last token has expired",
    )
    .action(() =>
      withSigningKeys(async (signingKeys) => {
        const { kid, signsFrom } = await signingKeys.rotate();
        print(`Created ${kid}, which signs from ${isoDate(signsFrom)}.`);
      }),
    );

  keys
    .command("retire <kid>")
    .description("remove a key that no longer signs; the tokens it signed become invalid")
    .action((kid: string) =>
      withSigningKeys(async (signingKeys) => {
        await signingKeys.retire(kid);
        print(`Retired ${kid}.`);
      }),
    );
}

async function withSigningKeys(work: (signingKeys: SigningKeys) => Promise<void>): Promise<void> {
  await withDatabase(async ({ signingKeys }) => {
    if (signingKeys === undefined) {
      throw new ConfigError("ALGORITHM=HS256 has one key, SECRET_KEY: change that instead");
    }
    await work(signingKeys);
  });
}

function isoDate(time: number): string {
  return new Date(time).toISOString();
}
