/**
 * Shows that nobody can tell from the response time whether an account exists: known and unknown usernames at
 * login, known and unknown addresses at sign-up and at a password reset, sampled in random order. For each it
 * prints the area under the ROC curve: 0.5 is a coin toss, 1 a certainty. It fails outside 0.40 to 0.60.
 */
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

const SAMPLES = 40;
/** Longer than the mail of one request takes after its answer, so that it does not slow the next. */
const PAUSE = 350;
const KNOWN = { username: "johndoe", email: "johndoe@example.com" };

interface Probe {
  name: string;
  query: string;
  variables(known: boolean, n: number): object;
}

const PROBES: Probe[] = [
  {
    name: "login",
    query: 'mutation ($username: String!) { login(username: $username, password: "wrong") { tokenType } }',
    variables: (known, n) => ({ username: known ? KNOWN.username : `nobody${n}` }),
  },
  {
    name: "register",
    query: "mutation ($input: RegisterInput!) { register(input: $input) { username } }",
    variables: (known, n) => ({
      input: {
        username: `user${n}-${known ? "a" : "b"}`,
        email: known ? KNOWN.email : `nobody${n}@example.com`,
        password: "seven brown kettles sleeping",
      },
    }),
  },
  {
    name: "requestPasswordReset",
    query: "mutation ($email: String!) { requestPasswordReset(email: $email) }",
    variables: (known, n) => ({ email: known ? KNOWN.email : `nobody${n}@example.com` }),
  },
];

const directory = mkdtempSync(join(tmpdir(), "latchkey-bench-"));
const server = spawn(process.execPath, [resolve("dist/main.js")], {
  cwd: directory,
  env: {
    DATABASE_URL: `sqlite:${join(directory, "latchkey.db")}`,
    HOST: "127.0.0.1",
    PORT: "0",
    LOG_LEVEL: "info",
  },
  stdio: ["ignore", "pipe", "inherit"],
});
const lines = createInterface({ input: server.stdout });
const address = await new Promise<string>((found) => {
  lines.on("line", (line) => {
    const match = /ready at (\S+)/.exec(line);
    if (match?.[1]) found(match[1]);
  });
});

async function time({ query, variables }: Probe, known: boolean, n: number): Promise<number> {
  const body = JSON.stringify({ query, variables: variables(known, n) });
  const started = performance.now();
  const response = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  await response.text();
  return performance.now() - started;
}

/** The chance that a known one took longer than an unknown one. */
function areaUnderCurve(known: number[], unknown: number[]): number {
  const wins = known.flatMap((a) => unknown.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
  return wins.reduce((sum: number, win) => sum + win, 0) / wins.length;
}

const median = (times: number[]) => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

for (const probe of PROBES) {
  const times = { known: [] as number[], unknown: [] as number[] };
  await time(probe, false, SAMPLES);
  for (let n = 0; n < SAMPLES; n++) {
    const order = Math.random() < 0.5 ? [true, false] : [false, true];
    for (const known of order) {
      await setTimeout(PAUSE);
      times[known ? "known" : "unknown"].push(await time(probe, known, n));
    }
  }
  const area = areaUnderCurve(times.known, times.unknown);
  const medians = `median ${median(times.known).toFixed(1)} ms known, ${median(times.unknown).toFixed(1)} ms unknown`;
  console.log(`${probe.name.padEnd(22)} AUC ${area.toFixed(2)}   ${medians}`);
  if (area < 0.4 || area > 0.6) process.exitCode = 1;
}
server.kill("SIGTERM");
