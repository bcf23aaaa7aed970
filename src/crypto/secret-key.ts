import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { ConfigError, MIN_SECRET_BYTES } from "../config.js";

/**
 * The development secret kept in a file that only its owner can read; made on the first call.
 * @returns the secret, and whether this call made it
 * @throws ConfigError for a file that is empty or cut short: what is encrypted under that is open to anyone
 */
export function loadOrCreateSecretKey(file: string): { secretKey: string; created: boolean } {
  const existing = read(file);
  if (existing !== undefined) return { secretKey: existing, created: false };
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Written whole under another name, then linked: of processes that start at once, one wins and
  // none reads half a key.
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  const secretKey = randomBytes(32).toString("hex");
  // Flushed, so that a loss of power leaves no empty file under the name.
  writeFileSync(draft, `${secretKey}\n`, { mode: 0o600, flag: "wx", flush: true });
  try {
    linkSync(draft, file);
    return { secretKey, created: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft);
  }
  return loadOrCreateSecretKey(file);
}

function read(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const secretKey = readFileSync(file, "utf8").trim();
  if (Buffer.byteLength(secretKey) >= MIN_SECRET_BYTES) return secretKey;
  throw new ConfigError(
    `${file} must hold ${MIN_SECRET_BYTES} bytes or more: restore it, or set SECRET_KEY, or delete the file to have a new key made`,
  );
}
