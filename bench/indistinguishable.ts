/**
 * Shows that nobody can tell from the response time whether an account exists, or has a second factor: known and unknown
 * usernames at login, with and without a second factor at sign-in, known and unknown addresses at sign-up and at a
 * password reset, sampled in random order. For each it prints the area under the ROC curve: 0.5 is a coin toss, 1 a certainty. It fails outside 0.40 to 0.60.
 */
import { setTimeout } from "node:timers/promises";
import SQLite from "better-sqlite3";
import { graphqlRequest, sendGraphQL } from "./harness/http.ts";
import { startLatchkey } from "./harness/latchkey.ts";
import { closeOnSignal, withScope } from "./harness/scope.ts";
import { median } from "./harness/statistics.ts";

const SAMPLES = 100;
/** Longer than the email of one request takes after its answer, so that it does not slow the next. */
const PAUSE = 350;
const CODES = ["OK", "INVALID_CREDENTIALS"];

const SIGN_IN =
  'mutation ($username: String!) { signIn(username: $username, password: "wrong") { __typename } }';

interface Probe {
  name: string;
  /** What the names of the users begin with, before their number. */
  known?: string;
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
  { name: "signIn", query: SIGN_IN, variables: (username) => ({ username }) },
  {
    name: "signIn, second factor",
    known: "protected",
    query: SIGN_IN,
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

let requests = 0;

async function time(url: string, { query, variables }: Probe, name: string): Promise<number> {
  const n = requests++;
  const headers = { "x-forwarded-for": `198.51.${Math.floor(n / 250)}.${n % 250}` };
  const request = graphqlRequest(url, query, { variables: variables(name, n), headers });
  const started = performance.now();
  const { code } = await sendGraphQL(request);
  const took = performance.now() - started;
  if (!CODES.includes(code)) throw new Error(`the answer was ${code}`);
  return took;
}

/** The chance that a known one took longer than an unknown one. */
function areaUnderCurve(known: number[], unknown: number[]): number {
  const wins = known.flatMap((a) => unknown.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
  return wins.reduce((sum: number, win) => sum + win, 0) / wins.length;
}

/** Renames the second half of the users to `protected0`, `protected1`, …, and gives them a second factor. */
function protectSecondHalf(file: string): void {
  const db = new SQLite(file);
  // Nothing else of it is read before the password is verified.
  const protect = db.prepare("update users set username = ?, mfa_methods = 'TOTP' where username = ?");
  for (let n = 0; n < SAMPLES; n++) protect.run(`protected${n}`, `user${SAMPLES + n}`);
  db.close();
}

closeOnSignal();

await withScope(async (scope) => {
  // As in development: emails are made and printed, and anyone may register.
  const env = { NODE_ENV: "development", TRUST_PROXY: "loopback", LOG_LEVEL: "warn" };
  const { url, file } = await startLatchkey(scope, { users: 2 * SAMPLES, env });
  protectSecondHalf(file);
  for (const probe of PROBES) {
    const times = { known: [] as number[], unknown: [] as number[] };
    await time(url, probe, "nobody");
    for (let n = 0; n < SAMPLES; n++) {
      const order = Math.random() < 0.5 ? [true, false] : [false, true];
      for (const known of order) {
        await setTimeout(PAUSE);
        const name = known ? (probe.known ?? "user") : "nobody";
        times[known ? "known" : "unknown"].push(await time(url, probe, `${name}${n}`));
      }
    }
    const area = areaUnderCurve(times.known, times.unknown);
    const medians = `median ${median(times.known).toFixed(1)} ms known, ${median(times.unknown).toFixed(1)} ms unknown`;
    console.log(`${probe.name.padEnd(22)} AUC ${area.toFixed(2)}   ${medians}`);
    if (area < 0.4 || area > 0.6) process.exitCode = 1;
  }
});
