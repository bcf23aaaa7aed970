/**
 * Shows that nobody can tell from the response time whether an account exists: known and unknown usernames at
 * login, known and unknown addresses at sign-up and at a password reset, sampled in random order. For each it
 * prints the area under the ROC curve: 0.5 is a coin toss, 1 a certainty. It fails outside 0.40 to 0.60.
 */
import { setTimeout } from "node:timers/promises";
import { median, startServer } from "./server.ts";

const SAMPLES = 100;
/** Longer than the email of one request takes after its answer, so that it does not slow the next. */
const PAUSE = 350;
const CODES = ["OK", "INVALID_CREDENTIALS"];

interface Probe {
  name: string;
  query: string;
  /** @param name of a user, or of nobody */
  variables(name: string, n: number): object;
}

const PROBES: Probe[] = [
  {
    name: "login",
    query: 'mutation ($username: String!) { login(username: $username, password: "wrong") { tokenType } }',
    variables: (username) => ({ username }),
  },
  {
    name: "register",
    query: "mutation ($input: RegisterInput!) { register(input: $input) { username } }",
    variables: (name, n) => ({
      input: { username: `new${n}`, email: `${name}@example.com`, password: "seven brown kettles sleeping" },
    }),
  },
  {
    name: "requestPasswordReset",
    query: "mutation ($email: String!) { requestPasswordReset(email: $email) }",
    variables: (name) => ({ email: `${name}@example.com` }),
  },
];

const { child, url } = await startServer({ users: SAMPLES });

let requests = 0;

async function time({ query, variables }: Probe, name: string): Promise<number> {
  const n = requests++;
  const body = JSON.stringify({ query, variables: variables(name, n) });
  const source = `198.51.${Math.floor(n / 250)}.${n % 250}`;
  const started = performance.now();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "x-forwarded-for": source },
    body,
  });
  const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] };
  const took = performance.now() - started;
  const code = errors?.[0]?.extensions.code ?? "OK";
  if (!CODES.includes(code)) throw new Error(`the answer was ${code}`);
  return took;
}

/** The chance that a known one took longer than an unknown one. */
function areaUnderCurve(known: number[], unknown: number[]): number {
  const wins = known.flatMap((a) => unknown.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
  return wins.reduce((sum: number, win) => sum + win, 0) / wins.length;
}

for (const probe of PROBES) {
  const times = { known: [] as number[], unknown: [] as number[] };
  await time(probe, "nobody");
  for (let n = 0; n < SAMPLES; n++) {
    const order = Math.random() < 0.5 ? [true, false] : [false, true];
    for (const known of order) {
      await setTimeout(PAUSE);
      times[known ? "known" : "unknown"].push(await time(probe, `${known ? "user" : "nobody"}${n}`));
    }
  }
  const area = areaUnderCurve(times.known, times.unknown);
  const medians = `median ${median(times.known).toFixed(1)} ms known, ${median(times.unknown).toFixed(1)} ms unknown`;
  console.log(`${probe.name.padEnd(22)} AUC ${area.toFixed(2)}   ${medians}`);
  if (area < 0.4 || area > 0.6) process.exitCode = 1;
}
child.kill("SIGTERM");
