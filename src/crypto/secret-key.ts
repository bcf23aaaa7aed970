import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { ConfigError, MIN_SECRET_BYTES } from "../config.js";

/**
 * Reads the secret for development from a file that only its owner can read. The first call creates it.
 * @returns the secret, and whether this call created it
 * @throws ConfigError for an empty or truncated file, whose encryption would protect nothing
 */
export function loadOrCreateSecretKey(file: string): { secretKey: string; created: boolean } {
  const existing = read(file);
  if (existing !== undefined) return { secretKey: existing, created: false };
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Written under another name, then linked: of several processes that start together one wins, and none reads half a
  // key.
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  const secretKey = randomBytes(32).toString("hex");
  // Flushed, so that a power failure leaves no empty file.
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
