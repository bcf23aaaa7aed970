import { text } from "node:stream/consumers";
import { read } from "read";
import { LatchkeyError } from "../errors.js";

/** A password typed twice without echo, or the first line of standard input; never an argument. */
export async function askForPassword(): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).split(/\r?\n/, 1)[0] ?? "";
  const prompt = { silent: true, output: process.stderr };
  const password = await read({ ...prompt, prompt: "Password: " });
  const again = await read({ ...prompt, prompt: "Again: " });
  if (password !== again) {
    throw new LatchkeyError("BAD_USER_INPUT", "The two passwords are not the same.", { violations: [] });
  }
  return password;
}
