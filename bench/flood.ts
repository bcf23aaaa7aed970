/**
 * Shows what floods of logins do to others, in turns with none: how long `me` takes, for reading a token does not wait
 * behind passwords, and whether 20 right logins get through that come at once from 20 other networks, new to them. The
 * floods: 128 connections of wrong logins, each from a network of its own; the same from one network; and 24 accounts
 * of an attacker's own, signing in all the time from one network.
 */
import { setTimeout } from "node:timers/promises";
import { graphqlRequest, sendGraphQL } from "./harness/http.ts";
import { login, PASSWORD, startLatchkey } from "./harness/latchkey.ts";
import { closeOnSignal, Scope } from "./harness/scope.ts";
import { median, quantile } from "./harness/statistics.ts";

const CONNECTIONS = 128;
const ACCOUNTS = 24;
const LOGINS = 20;
const ROUND = 15_000;

const scope = new Scope();
closeOnSignal();
const { url } = await startLatchkey(scope, {
  users: LOGINS + ACCOUNTS,
  env: { TRUST_PROXY: "loopback", LOG_LEVEL: "warn" },
});

async function timed<T>(answer: Promise<T>): Promise<T & { took: number }> {
  const started = performance.now();
  return { ...(await answer), took: performance.now() - started };
}

const loginFrom = (username: string, password: string, from: string) =>
  timed(login(url, username, password, from));
type Sent = Awaited<ReturnType<typeof loginFrom>>;
const count = (counts: Map<string, number>, code: string) => counts.set(code, (counts.get(code) ?? 0) + 1);
const shown = (counts: Map<string, number>) => JSON.stringify(Object.fromEntries(counts));

/** By what each sends on connection `n` the `k`th time. */
const FLOODS: Record<string, ((n: number, k: number) => Promise<Sent>) | undefined> = {
  none: undefined,
  "128 networks": (n, k) =>
    loginFrom(`nobody${n}-${k}`, "wrong", `198.51.${Math.floor(k / 50) % 250}.${n + 1}`),
  "one network": (n, k) => loginFrom(`nobody${n}-${k}`, "wrong", "198.18.0.1"),
  "24 accounts": (n) => loginFrom(`user${LOGINS + (n % ACCOUNTS)}`, PASSWORD, "198.18.0.2"),
};

const { accessToken } = await loginFrom("user0", PASSWORD, "192.0.2.1");
const me = graphqlRequest(url, "{ me { id } }", { headers: { authorization: `Bearer ${accessToken}` } });
/** Each login comes from a network of its own, where nobody has signed in before. */
let networks = 0;

async function measure(flood: ((n: number, k: number) => Promise<Sent>) | undefined) {
  const until = performance.now() + ROUND;
  const flooding = new Map<string, number>();
  const right = new Map<string, number>();
  const times: number[] = [];
  const rightTimes: number[] = [];
  async function attack(n: number, attempt: (n: number, k: number) => Promise<Sent>) {
    for (let k = 0; performance.now() < until; k++) {
      const { code } = await attempt(n, k);
      count(flooding, code);
      // A client that is refused at once would otherwise only measure its own speed.
      if (code === "OVERLOADED") await setTimeout(50);
    }
  }
  async function read() {
    while (performance.now() < until) {
      const { took, code } = await timed(sendGraphQL(me));
      if (code !== "OK") throw new Error(`me: ${code}`);
      times.push(took);
      await setTimeout(5);
    }
  }
  async function signIn() {
    await setTimeout(ROUND / 5);
    const logins = Array.from({ length: LOGINS }, async (_, n) => {
      const { took, code } = await loginFrom(`user${n}`, PASSWORD, `203.0.113.${networks++}`);
      count(right, code);
      rightTimes.push(took);
    });
    await Promise.all(logins);
  }
  const attackers = flood ? Array.from({ length: CONNECTIONS }, (_, n) => attack(n, flood)) : [];
  await Promise.all([read(), signIn(), ...attackers]);
  return { times, rightTimes, flooding, right };
}

try {
  for (const [name, flood] of Object.entries(FLOODS)) {
    const { times, rightTimes, flooding, right } = await measure(flood);
    const figures = `me median ${median(times).toFixed(1)} ms, p95 ${quantile(times, 0.95).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`;
    console.log(
      `${name.padEnd(12)}  ${figures}; right logins ${shown(right)}, the last after ${Math.max(...rightTimes).toFixed(0)} ms; flood ${shown(flooding)}`,
    );
    // From as many networks as there are strangers, new ones are no more than others.
    const others = name === "128 networks" || right.get("OK") === LOGINS;
    if (flood && (quantile(times, 0.95) > 100 || !others)) process.exitCode = 1;
  }
} finally {
  await scope.close();
}
