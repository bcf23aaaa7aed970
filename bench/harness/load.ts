import autocannon from "autocannon";
import { type HttpRequest, sendRequest } from "./http.ts";
import { cpuOf } from "./processes.ts";
import { median } from "./statistics.ts";

const CONNECTIONS = 16;

/** What one round of load came to. */
export interface Sample {
  /** Requests a second. */
  rate: number;
  /** CPU time of the server for each request, in microseconds. */
  cpu: number;
}

/** Sends one request, and has it fail unless the answer is a 200 without GraphQL errors. */
export async function expectOk(request: HttpRequest): Promise<string> {
  const { status, text } = await sendRequest(request);
  if (status !== 200 || text.includes('"errors"')) throw new Error(`${request.url}: ${status} ${text}`);
  return text;
}

/** Sends these requests as fast as the answers come; every answer must be the one that was seen before the load. */
export async function load(
  pid: number,
  requests: HttpRequest[],
  { seconds, connections = CONNECTIONS }: { seconds: number; connections?: number },
): Promise<Sample> {
  const [first] = requests;
  if (first === undefined) throw new Error("there is nothing to send");
  const expected = requests.length === 1 ? await expectOk(first) : undefined;
  const cpuBefore = cpuOf(pid);
  const result = await autocannon({
    url: new URL(first.url).origin,
    connections,
    duration: seconds,
    requests: requests.map(({ method, url, headers, body }) => ({
      method,
      path: new URL(url).pathname,
      headers,
      ...(body !== undefined && { body }),
    })),
    verifyBody: (body) =>
      expected === undefined ? !String(body).includes('"errors"') : String(body) === expected,
  });
  const { errors, non2xx, mismatches } = result as typeof result & { mismatches: number };
  if (errors + non2xx + mismatches > 0) {
    throw new Error(`${first.url}: ${errors} errors, ${non2xx} not 2xx, ${mismatches} other answers`);
  }
  const answered = result["2xx"];
  return { rate: answered / result.duration, cpu: (cpuOf(pid) - cpuBefore) / answered };
}

/** The load that `work` makes by itself: it resolves with how many requests were answered. */
export async function measure(pid: number, work: () => Promise<number>): Promise<Sample> {
  const cpuBefore = cpuOf(pid);
  const startedAt = performance.now();
  const count = await work();
  const seconds = (performance.now() - startedAt) / 1000;
  return { rate: count / seconds, cpu: (cpuOf(pid) - cpuBefore) / count };
}

/** One that takes its turn in a comparison. */
export interface Contestant {
  name: string;
  turn(seconds: number): Promise<Sample>;
}

export interface Standing {
  name: string;
  /** Medians, and the range of the rates. */
  rate: number;
  cpu: number;
  slowest: number;
  fastest: number;
}

/** Warms all up, then lets them take turns: A B C A B C …, so that what disturbs the machine disturbs all. */
export async function inTurns(
  contestants: Contestant[],
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<Standing[]> {
  const samples = contestants.map((contestant) => ({ contestant, taken: [] as Sample[] }));
  for (let round = 0; round <= rounds; round++) {
    for (const { contestant, taken } of samples) {
      const sample = await contestant.turn(seconds);
      const kind = round === 0 ? "warm-up" : `round ${round} of ${rounds}`;
      console.log(`  ${kind}: ${contestant.name} ${sample.rate.toFixed(1)}/s, ${sample.cpu.toFixed(0)} µs`);
      if (round > 0) taken.push(sample);
    }
  }
  return samples.map(({ contestant: { name }, taken }) => {
    const rates = taken.map(({ rate }) => rate);
    return {
      name,
      rate: median(rates),
      cpu: median(taken.map(({ cpu }) => cpu)),
      slowest: Math.min(...rates),
      fastest: Math.max(...rates),
    };
  });
}
