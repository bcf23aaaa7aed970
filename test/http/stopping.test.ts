import { once } from "node:events";
import { Agent, get, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "@jest/globals";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { emptyDatabaseUrl } from "../support/databases.js";
import { hold } from "../support/held.js";
import { type Server, startServer } from "../support/server.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(shutdownDelaySeconds: number): Promise<App> {
  const app = await makeApp({ config: { shutdownDelaySeconds } });
  cleanups.push(() => app.close());
  return app;
}

async function startProcess(seconds: number): Promise<Server> {
  const server = await startServer(await emptyDatabaseUrl("sqlite"), {
    SHUTDOWN_DELAY_SECONDS: String(seconds),
  });
  cleanups.push(() => server.program.child.kill("SIGKILL"));
  return server;
}

/** Returns an agent that keeps its connections open. */
function keepAlive(): Agent {
  const agent = new Agent({ keepAlive: true });
  cleanups.push(() => agent.destroy());
  return agent;
}

async function ask(url: string, agent: Agent | false = false) {
  const [response] = (await once(get(url, { agent }), "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, connection: response.headers.connection, text };
}

async function refused(url: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const error = await ask(url).then(
      () => undefined,
      ({ code }: NodeJS.ErrnoException) => code,
    );
    if (error === "ECONNREFUSED") return;
    // ECONNRESET: the connection was opened just as the port closed, and could not be accepted.
    const expected = [undefined, "ECONNRESET"];
    expect([expected.includes(error), performance.now() < deadline]).toEqual([true, true]);
    await sleep(10);
  }
}

test("without a delay a stop finishes requests in flight, and waits for no idle or unused connection", async () => {
  const app = await start(0);
  await app.createUser("alice");
  const { port } = new URL(app.address);

  // An idle connection, and one without a request yet, as browsers open them in advance.
  expect((await ask(`${app.address}/healthz`, keepAlive())).connection).toBe("keep-alive");
  const opened = connect(Number(port), "127.0.0.1");
  await once(opened, "connect");
  const openedEnds = once(opened.resume(), "close");

  // And a keep-alive connection whose request is in flight.
  const held = await hold(app, ["update users set updated_at = updated_at"]);
  cleanups.push(() => held.commit());
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const sent = request(`${app.address}/token`, { method: "POST", agent: keepAlive(), headers });
  sent.end(`grant_type=password&username=alice&password=${PASSWORD}`);
  await held.waited();

  const began = performance.now();
  const closed = app.server.close();
  await openedEnds;
  await held.commit();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  expect([response.statusCode, response.headers.connection]).toEqual([200, "close"]);
  response.resume();
  await closed;
  // Node would keep an idle connection for 5 seconds.
  expect(performance.now() - began).toBeLessThan(4_000);
});

test("while it stops it is not ready, still answers requests, and closes each connection with its answer", async () => {
  const app = await start(1);
  expect(await ask(`${app.address}/readyz`)).toMatchObject({ status: 200, text: '{"status":"ok"}' });
  const agent = keepAlive();
  const idle = keepAlive();
  for (const each of [agent, idle])
    expect((await ask(`${app.address}/healthz`, each)).connection).toBe("keep-alive");
  const closed = app.server.close();
  for (const each of [agent, false] as const) {
    expect(await ask(`${app.address}/readyz`, each)).toEqual({
      status: 503,
      connection: "close",
      text: '{"status":"unavailable","reason":"the server is stopping"}',
    });
    expect(await ask(`${app.address}/graphql?query={__typename}`, each)).toMatchObject({
      status: 400,
      connection: "close",
    });
  }
  expect(await ask(`${app.address}/healthz`)).toMatchObject({ status: 200, connection: "close" });
  await refused(`${app.address}/healthz`);
  // A request on a connection that was already open.
  expect(await ask(`${app.address}/healthz`, idle)).toMatchObject({ status: 200, connection: "close" });
  await closed;
});

test("is not ready without its database", async () => {
  const app = await start(0);
  await app.latchkey.db.destroy();
  expect(await app.request("/readyz")).toMatchObject({
    status: 503,
    text: '{"status":"unavailable","reason":"the database cannot be read and written"}',
  });
  expect(await app.request("/healthz")).toMatchObject({ status: 200 });
});

test("a stop under load resets no request, on new and on keep-alive connections", async () => {
  const server = await startProcess(2);
  const url = `${server.address}/.well-known/jwks.json`;
  const idle = Array.from({ length: 4 }, keepAlive);
  const outcomes: Record<string, number> = {};
  let noticed = false;
  async function count(agent: Agent | false): Promise<void> {
    const outcome = await ask(url, agent).then(
      ({ status, connection }) => `${status} ${agent ? "kept" : "new"} ${connection}`,
      (error: NodeJS.ErrnoException) => error.code ?? String(error),
    );
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  const agents: (Agent | false)[] = [false, false, false, ...Array.from({ length: 4 }, keepAlive)];
  const clients = agents.map(async (agent) => {
    while (!noticed) await count(agent);
  });
  await sleep(300);
  await Promise.all(idle.map(count));
  server.program.child.kill("SIGTERM");
  // A proxy notices after a while, and then opens no more connections.
  await sleep(1_000);
  noticed = true;
  await Promise.all(clients);
  await refused(url);
  // Connections that were idle all the time are still open.
  await Promise.all(idle.map(count));
  expect((await server.program.ended).code).toBe(0);
  expect(outcomes).toEqual({
    "200 new close": expect.any(Number),
    "200 kept keep-alive": expect.any(Number),
    "200 kept close": expect.any(Number),
  });
});

test.each(["SIGTERM", "SIGINT"] as const)("a second %s stops immediately", async (signal) => {
  const server = await startProcess(60);
  const { child, printed, ended } = server.program;
  child.kill(signal);
  await printed(/"msg":"stopping"/);
  // A terminal and npm each send a signal at the same time: both count as the first.
  child.kill(signal);
  await sleep(500);
  expect((await ask(`${server.address}/healthz`)).status).toBe(200);
  child.kill(signal);
  const { code, stdout } = await ended;
  expect(code).toBe(1);
  expect(stdout).toContain('"msg":"stopping immediately"');
});
