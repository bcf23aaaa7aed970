/**
 * Shows that reading a token does not wait behind passwords: how long `me` takes without and with 128 connections
 * of wrong logins, in turns, and whether right logins get through meanwhile. Each connection is a source and tries
 * accounts of its own, so that it is the gate that holds them back and not the limits on attempts.
 */
import { setTimeout } from "node:timers/promises";
import { median, quantile, startServer } from "./server.ts";

const CONNECTIONS = 128;
const ROUNDS = 3;
const ROUND = 10_000;

const LOGIN =
  "mutation ($username: String!, $password: String!) { login(username: $username, password: $password) { accessToken } }";

const { child, url, password } = await startServer();

interface Sent {
  took: number;
  code: string;
  accessToken: string;
}

async function send(query: string, variables: object, headers: Record<string, string>): Promise<Sent> {
  const started = performance.now();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as {
    data?: { login?: { accessToken: string } };
    errors?: { extensions: { code: string } }[];
  };
  const code = errors?.[0]?.extensions.code ?? "OK";
  return { took: performance.now() - started, code, accessToken: data?.login?.accessToken ?? "" };
}

const count = (counts: Map<string, number>, code: string) => counts.set(code, (counts.get(code) ?? 0) + 1);
const shown = (counts: Map<string, number>) => JSON.stringify(Object.fromEntries(counts));

const home = { "x-forwarded-for": "192.0.2.1" };
const { accessToken } = await send(LOGIN, { username: "johndoe", password }, home);

async function measure(flooded: boolean) {
  const until = performance.now() + ROUND;
  const wrong = new Map<string, number>();
  const right = new Map<string, number>();
  const times: number[] = [];
  const rightTimes: number[] = [];
  async function attack(n: number) {
    for (let k = 0; performance.now() < until; k++) {
      const from = { "x-forwarded-for": `198.51.${Math.floor(k / 50) % 250}.${n + 1}` };
      const { code } = await send(LOGIN, { username: `user${n}-${k}`, password: "wrong" }, from);
      count(wrong, code);
      // A client that is refused at once would otherwise only measure its own speed.
      if (code === "OVERLOADED") await setTimeout(50);
    }
  }
  async function read() {
    while (performance.now() < until) {
      const { took, code } = await send("{ me { id } }", {}, { authorization: `Bearer ${accessToken}` });
      if (code !== "OK") throw new Error(`me: ${code}`);
      times.push(took);
      await setTimeout(5);
    }
  }
  async function signIn() {
    while (performance.now() < until) {
      const { took, code } = await send(LOGIN, { username: "johndoe", password }, home);
      count(right, code);
      rightTimes.push(took);
      await setTimeout(500);
    }
  }
  const attackers = flooded ? Array.from({ length: CONNECTIONS }, (_, n) => attack(n)) : [];
  await Promise.all([read(), signIn(), ...attackers]);
  return { times, rightTimes, wrong, right };
}

try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const flooded of [false, true]) {
      const { times, rightTimes, wrong, right } = await measure(flooded);
      const figures = `me median ${median(times).toFixed(1)} ms, p95 ${quantile(times, 0.95).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`;
      console.log(
        `${flooded ? "flooded" : "quiet  "}  ${figures}; right logins ${shown(right)} median ${median(rightTimes).toFixed(0)} ms; wrong ${shown(wrong)}`,
      );
      if (flooded && (quantile(times, 0.95) > 100 || !right.has("OK"))) process.exitCode = 1;
    }
  }
} finally {
  child.kill("SIGTERM");
}
