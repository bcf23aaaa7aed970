import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { LatchkeyError } from "../errors.js";

/** Reads a password, typed twice without echo or from the first line of standard input; never from an argument. */
export async function askForPassword(): Promise<string> {
  if (!process.stdin.isTTY) {
    const [password = ""] = (await text(process.stdin)).split(/\r?\n/, 1);
    if (password === "") throw refusal("Standard input has no password.");
    return password;
  }
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // `terminal` even when stderr is not one: the system would echo the input otherwise.
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  const lines = terminal[Symbol.asyncIterator]();
  try {
    const password = await ask("Password: ", lines);
    if ((await ask("Again: ", lines)) !== password) throw refusal("The passwords do not match.");
    return password;
  } finally {
    terminal.close();
  }
}

async function ask(prompt: string, lines: AsyncIterator<string>): Promise<string> {
  process.stderr.write(prompt);
  const { value, done } = await lines.next();
  process.stderr.write("\n");
  // Ctrl-C or Ctrl-D.
  if (done) throw refusal("No password was entered.");
  return value;
}

function refusal(message: string): LatchkeyError<"BAD_USER_INPUT"> {
  return new LatchkeyError("BAD_USER_INPUT", message, { violations: [] });
}
