import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { ALL_CORES } from "../harness/cores.ts";
import { graphqlRequest, type HttpRequest } from "../harness/http.ts";
import { signIn, startLatchkey } from "../harness/latchkey.ts";
import { expectOk } from "../harness/load.ts";
import type { Bench, Section } from "../harness/section.ts";
import { median, quantile } from "../harness/statistics.ts";
import { ME } from "./me.ts";

/** Between two `me`, in milliseconds. */
const PERIOD = 10;
const PARTS = [0.5, 0.95, 0.99];

/** Sends at a steady pace, whether or not the last answer has come. @returns how long each answer took */
async function sendSteadily(request: HttpRequest, seconds: number): Promise<number[]> {
  const startedAt = performance.now();
  const answers: Promise<number>[] = [];
  for (let n = 0; n * PERIOD < seconds * 1000; n++) {
    await setTimeout(Math.max(0, startedAt + n * PERIOD - performance.now()));
    const sentAt = performance.now();
    answers.push(expectOk(request).then(() => performance.now() - sentAt));
  }
  return Promise.all(answers);
}

/** How long `me` takes while others log in wrongly, and while nobody does. */
export async function measureLatency({ scope, rounds, seconds }: Bench): Promise<Section> {
  const { url } = await startLatchkey(scope, { cores: ALL_CORES, env: { TRUST_PROXY: "loopback" } });
  const quiet: number[][] = [];
  const flooded: number[][] = [];
  const codes: string[] = [];
  for (let round = 0; round <= rounds; round++) {
    const { accessToken } = await signIn(url, "johndoe", "192.0.2.1");
    const request = graphqlRequest(url, ME, { headers: { authorization: `Bearer ${accessToken}` } });
    const withoutFlood = await sendSteadily(request, seconds);
    const args = [resolve("bench/harness/flooder.ts"), url, String(seconds + 2)];
    const flood = promisify(execFile)(process.execPath, args);
    await setTimeout(1000);
    const withFlood = await sendSteadily(request, seconds);
    const { stdout } = await flood;
    console.log(
      `  round ${round}: p99 ${quantile(withoutFlood, 0.99).toFixed(1)} ms quiet, ${quantile(withFlood, 0.99).toFixed(1)} ms flooded`,
    );
    if (round === 0) continue;
    quiet.push(PARTS.map((part) => quantile(withoutFlood, part)));
    flooded.push(PARTS.map((part) => quantile(withFlood, part)));
    codes.push(stdout.trim());
  }
  const medians = (samples: number[][]) => PARTS.map((_, n) => median(samples.map((sample) => sample[n]!)));
  const [quietMedians, floodedMedians] = [medians(quiet), medians(flooded)];
  const row = (name: string, values: number[]) => [name, ...values.map((value) => value.toFixed(1))];
  return {
    title: `\`me\` at ${1000 / PERIOD}/s while 128 connections log in wrongly`,
    columns: ["", "median ms", "p95 ms", "p99 ms"],
    table: [row("quiet", quietMedians), row("flooded", floodedMedians)],
    findings: [
      {
        measure: "`me` p99 while 128 connections log in wrongly, against quiet",
        value: floodedMedians[2]! / quietMedians[2]!,
        unit: "×",
        goal: { most: 3 },
      },
      {
        measure: "`me` p95 while 128 connections log in wrongly",
        value: floodedMedians[1]!,
        unit: " ms",
        goal: { most: 25 },
      },
    ],
    notes: [`Answers to the wrong logins of one round: ${codes.at(-1)}`],
  };
}
