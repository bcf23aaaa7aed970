import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
// `npm run fuzz` runs this file with Node, which does not resolve .js to .ts.
import { runCli, startBuilt } from "../support/program.ts";
import { ERROR_CODES, type GeneratedRequest, requests } from "./requests.ts";

/** The same as in test/support/app.ts, which Node cannot load without Jest. */
const PASSWORD = "CANARY-correct-horse-battery";
const BATCH = 500;
const CONCURRENCY = 16;
/** ps reports KiB. */
const MEGABYTE = 1024;

export interface Report {
  sent: number;
  seconds: number;
  statuses: Record<string, number>;
  codes: Record<string, number>;
  /** Requests whose connection was closed without an answer. */
  unanswered: number;
  /** Resident set size at the start, after each batch, in MB. */
  rss: number[];
  /** What went wrong, with the seed that reproduces it. */
  wrong: string[];
}

/** Sends `count` generated requests to the built server on a new database. The same seed sends the same requests. */
export async function fuzz({
  databaseUrl,
  count,
  seed,
}: {
  databaseUrl: string;
  count: number;
  seed: number;
}): Promise<Report> {
  const env = {
    DATABASE_URL: databaseUrl,
    HOST: "127.0.0.1",
    PORT: "0",
    REGISTRATION: "open",
    SMTP_URL: "smtp://127.0.0.1:1",
    INTROSPECTION_SECRET: PASSWORD.repeat(2),
    FEDERATION: "on",
  };
  await runCli(["user", "create", "alice", "--email", "alice@example.com", "--admin"], {
    env,
    input: `${PASSWORD}\n`,
  });
  const program = startBuilt("main", [], { env });
  const address = (await program.printed(/Server listening at (http:[^"]+)"/))[1]!;
  const report = await sendGenerated({ address, pid: program.child.pid!, count, seed });
  program.child.kill("SIGTERM");
  const { code, stdout, stderr } = await program.ended;
  if (code !== 0 || stderr !== "") report.wrong.push(`the server ended with ${code}: ${stderr}`);
  for (const line of stdout.split("\n"))
    if (/"level":[56]0/.test(line)) report.wrong.push(`logged: ${line.slice(0, 1500)}`);
  return report;
}

async function sendGenerated({
  address,
  pid,
  count,
  seed,
}: {
  address: string;
  pid: number;
  count: number;
  seed: number;
}): Promise<Report> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const report: Report = {
    sent: 0,
    seconds: 0,
    statuses: {},
    codes: {},
    unanswered: 0,
    rss: [rssOf(pid)],
    wrong: [],
  };
  const started = performance.now();
  for (let batch = 0; batch * BATCH < count; batch++) {
    const material = {
      tokens: await signIn(address),
      words: ["alice", "alice@example.com", PASSWORD, `${PASSWORD}!`],
    };
    const generated = fc.sample(requests(material), {
      seed: seed + batch,
      numRuns: Math.min(BATCH, count - batch * BATCH),
    });
    const next = generated.entries();
    await Promise.all(
      Array.from({ length: CONCURRENCY }, async () => {
        for (const [n, each] of next) {
          const answer = await exchange(agent, address, each);
          report.sent++;
          if (answer === undefined) {
            report.unanswered++;
            continue;
          }
          increment(report.statuses, String(answer.status));
          const problem = judge(each, answer, (code) => increment(report.codes, code));
          if (problem !== undefined)
            report.wrong.push(
              `seed ${seed + batch}, number ${n}: ${problem}\n${describe(each)}\n=> ${answer.status} ${answer.text.slice(0, 500)}`,
            );
        }
      }),
    );
    report.rss.push(rssOf(pid));
  }
  agent.destroy();
  report.seconds = (performance.now() - started) / 1000;
  return report;
}

function increment(counts: Record<string, number>, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

/** Returns what is wrong with an answer, if anything. */
function judge(
  { method, path }: GeneratedRequest,
  { status, type, text }: HttpAnswer,
  onCode: (code: string) => void,
): string | undefined {
  // A name or an item's title may contain it: that is the client's own data.
  if (!text.includes('"data":{') && /CANARY/.test(text)) return "a secret is in the answer";
  if (status >= 500 && status !== 503) return "a failure of the server";
  if (path !== "/graphql" || !["GET", "POST"].includes(method) || !/json/.test(type)) return undefined;
  try {
    const answers = [JSON.parse(text)].flat();
    for (const { data, errors } of answers) {
      if (data === undefined && errors === undefined) return "neither data nor errors";
      for (const { message, extensions } of errors ?? []) {
        onCode(extensions?.code);
        if (typeof message !== "string" || !ERROR_CODES.includes(extensions?.code))
          return "an error without a known code";
        if (extensions.code === "INTERNAL_SERVER_ERROR") return "a failure beside data";
      }
    }
  } catch {
    return "not JSON";
  }
  return undefined;
}

function describe({ method, path, headers, body }: GeneratedRequest): string {
  return `${method} ${path.slice(0, 200)} ${JSON.stringify(headers).slice(0, 600)} ${body.toString("latin1").slice(0, 1500)}`;
}

interface HttpAnswer {
  status: number;
  type: string;
  text: string;
}

/** @returns undefined when the connection was closed without an answer */
function exchange(
  agent: Agent,
  address: string,
  { method, path, headers, body }: GeneratedRequest,
): Promise<HttpAnswer | undefined> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(address);
    const outgoing = request({
      agent,
      hostname,
      port,
      method,
      path: path.replace(/[^!-~]/g, ""),
      headers: { ...headers, "content-length": body.length },
      timeout: 30_000,
      setHost: headers["host"] === undefined,
    });
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("close", () =>
        resolve({
          status: incoming.statusCode!,
          type: incoming.headers["content-type"] ?? "",
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    outgoing.on("timeout", () => outgoing.destroy());
    outgoing.on("error", () => resolve(undefined));
    outgoing.end(body);
  });
}

/** Returns the tokens of a new session, because generated requests sometimes end one. */
async function signIn(address: string): Promise<string[]> {
  const query = `mutation { login(username: "alice", password: "${PASSWORD}") { accessToken refreshToken } }`;
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  const { data } = (await response.json()) as {
    data?: { login: { accessToken: string; refreshToken: string } };
  };
  return data ? [data.login.accessToken, data.login.refreshToken] : ["none"];
}

/** Resident set size in MB. */
function rssOf(pid: number): number {
  return Math.round(
    Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / MEGABYTE,
  );
}

if (import.meta.main) {
  const [count = 50_000, seed = 1] = process.argv.slice(2).map(Number);
  const directory = mkdtempSync(join(tmpdir(), "latchkey-"));
  const report = await fuzz({
    databaseUrl: process.env["DATABASE_URL"] ?? `sqlite:${join(directory, "latchkey.db")}`,
    count,
    seed,
  });
  const { rss, wrong, ...figures } = report;
  const third = (n: number) => rss[Math.round((n * (rss.length - 1)) / 4)];
  console.log(figures, `${Math.round(report.sent / report.seconds)} requests/s`);
  console.log(
    `RSS in MB at the start, a quarter, a half, three quarters, the end: ${[0, 1, 2, 3, 4].map(third).join(", ")}`,
  );
  console.log(wrong.slice(0, 20).join("\n\n"), `\n${wrong.length} wrong`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
