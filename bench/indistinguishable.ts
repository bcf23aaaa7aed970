/**
 * Shows that nobody can tell from the response time whether an account exists: known and unknown usernames at
 * login, known and unknown addresses at sign-up and at a password reset, sampled in random order. For each it
 * prints the area under the ROC curve: 0.5 is a coin toss, 1 a certainty. It fails outside 0.40 to 0.60.
 */
import { setTimeout } from "node:timers/promises";
import { graphqlRequest, sendGraphQL } from "./harness/http.ts";
import { startLatchkey } from "./harness/latchkey.ts";
import { closeOnSignal, withScope } from "./harness/scope.ts";
import { median } from "./harness/statistics.ts";

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

closeOnSignal();

await withScope(async (scope) => {
  // As in development: emails are made and printed, and anyone may register.
  const env = { NODE_ENV: "development", TRUST_PROXY: "loopback", LOG_LEVEL: "warn" };
  const { url } = await startLatchkey(scope, { users: SAMPLES, env });
  for (const probe of PROBES) {
    const times = { known: [] as number[], unknown: [] as number[] };
    await time(url, probe, "nobody");
    for (let n = 0; n < SAMPLES; n++) {
      const order = Math.random() < 0.5 ? [true, false] : [false, true];
      for (const known of order) {
        await setTimeout(PAUSE);
        times[known ? "known" : "unknown"].push(await time(url, probe, `${known ? "user" : "nobody"}${n}`));
      }
    }
    const area = areaUnderCurve(times.known, times.unknown);
    const medians = `median ${median(times.known).toFixed(1)} ms known, ${median(times.unknown).toFixed(1)} ms unknown`;
    console.log(`${probe.name.padEnd(22)} AUC ${area.toFixed(2)}   ${medians}`);
    if (area < 0.4 || area > 0.6) process.exitCode = 1;
  }
});
