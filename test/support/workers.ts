import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import { headersOf, type RequestOptions } from "./app.js";
import { closeWithFile } from "./opened.ts";
import type { Program } from "./program.js";
import { type Server, startServer } from "./server.js";

interface WorkerAnswer<Data> {
  status: number;
  data?: Data | null;
  errors?: { extensions?: Record<string, unknown> }[];
  text: string;
}

/** One of a server's processes, and a connection to it. */
export interface Worker {
  pid: number;
  get(path: string, headers?: Record<string, string>): Promise<WorkerAnswer<unknown>>;
  send<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    options?: RequestOptions,
  ): Promise<WorkerAnswer<Data>>;
}

/** The pids of the processes that have begun to listen, in order, whether or not they still run. */
function listeningPids({ stdout }: Program): number[] {
  return linesOf(stdout())
    .filter(({ msg }) => msg?.startsWith("Server listening"))
    .map(({ pid }) => pid);
}

/** The log lines so far. */
export function linesOf(log: string): { pid: number; msg?: string; reqId?: string }[] {
  return log
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** Resolves once this many processes have begun to listen. @returns their pids */
export async function untilListening(program: Program, count: number): Promise<number[]> {
  await program.printed(new RegExp(`(?:Server listening at [\\s\\S]*){${count}}\n`));
  return listeningPids(program);
}

/** Starts the built server with two workers, whose every request is logged, and opens connections until there is one to each. */
export async function startWorkers(databaseUrl: string, env: NodeJS.ProcessEnv = {}) {
  const server = await startServer(databaseUrl, { WORKERS: "2", LOG_LEVEL: "debug", ...env });
  const pids = await untilListening(server.program, 2);
  return { server, workers: await connectToEach(server, pids) };
}

/** Opens connections until there is one to each of these processes. */
export async function connectToEach(server: Server, pids: readonly number[]): Promise<[Worker, Worker]> {
  const found = new Map<number, Worker>();
  for (let tries = 0; !pids.every((pid) => found.has(pid)); tries++) {
    if (tries === 50) throw new Error(`no connection to each of ${pids}`);
    const worker = await connectToOne(server);
    found.set(worker.pid, worker);
  }
  return pids.map((pid) => found.get(pid)!) as [Worker, Worker];
}

/** Opens a connection, which the operating system or the primary process gives to one of the workers. */
async function connectToOne({ address, program }: Server): Promise<Worker> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  closeWithFile(() => agent.destroy());

  async function ask(path: string, headers: Record<string, string>, body?: string) {
    const id = randomUUID();
    const sent = request(`${address}${path}`, {
      agent,
      method: body === undefined ? "GET" : "POST",
      headers: { ...headers, "x-request-id": id },
    });
    sent.end(body);
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    await program.printed(new RegExp(`"reqId":"${id}".*\n`));
    const { pid } = linesOf(program.stdout()).find(({ reqId }) => reqId === id)!;
    const parsed = text.startsWith("{") ? JSON.parse(text) : {};
    return { pid, answer: { ...parsed, status: response.statusCode!, text } };
  }

  const { pid } = await ask("/.well-known/jwks.json", {});
  /** Fails when the connection was closed meanwhile, and another worker got the new one. */
  async function askHere(path: string, headers: Record<string, string>, body?: string) {
    const { pid: answeredBy, answer } = await ask(path, headers, body);
    if (answeredBy !== pid) throw new Error(`answered by ${answeredBy} instead of ${pid}`);
    return answer;
  }
  return {
    pid,
    get: (path, headers = {}) => askHere(path, headers),
    send: (document, variables, options = {}) =>
      askHere("/graphql", headersOf(options), JSON.stringify({ query: print(document), variables })),
  };
}
