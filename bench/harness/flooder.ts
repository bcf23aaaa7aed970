/**
 * Logs in wrongly over 128 connections, each from a network of its own. Usage: flooder.ts URL SECONDS. Prints how
 * often each code came.
 */
import { setTimeout } from "node:timers/promises";
import { login } from "./latchkey.ts";

const CONNECTIONS = 128;
/** A client that is refused immediately would otherwise only measure its own speed. */
const PAUSE = 50;

const [url = "", seconds = ""] = process.argv.slice(2);
const end = performance.now() + Number(seconds) * 1000;
const codes: Record<string, number> = {};

async function flood(n: number): Promise<void> {
  for (let k = 0; performance.now() < end; k++) {
    const from = `198.51.${Math.floor(k / 50) % 250}.${n + 1}`;
    const { code } = await login(url, `nobody${n}-${k}`, "wrong", from);
    codes[code] = (codes[code] ?? 0) + 1;
    if (code !== "INVALID_CREDENTIALS") await setTimeout(PAUSE);
  }
}

await Promise.all(Array.from({ length: CONNECTIONS }, (_, n) => flood(n)));
console.log(JSON.stringify(codes));
