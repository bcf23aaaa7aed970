import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import fastify from "fastify";
import { paceRefusals } from "../../src/http/hooks/pacing.js";
import { type App, makeApp } from "../support/app.js";
import { raw, rawGraphQL, rawPost } from "../support/raw.js";

const QUERY = JSON.stringify({ query: "{ __typename }" });
const HOST = "host: localhost";
const JSON_TYPE = "content-type: application/json";

let app: App;
/** The app of a single test. */
let small: App | undefined;
beforeAll(async () => {
  app = await makeApp({ env: { INTROSPECTION_SECRET: "a secret of the tests, 32 bytes or more" } });
});
afterAll(() => app.close());
afterEach(async () => {
  await small?.close();
  small = undefined;
});

test("1,000 sockets that send a byte a second, of headers or of a body, are closed after 10 seconds and block nobody (row 64)", async () => {
  const head = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ";
  const bodyHead = ["POST /graphql HTTP/1.1", HOST, JSON_TYPE, "content-length: 1000", "", ""].join("\r\n");
  const started = performance.now();
  const slow = [head, bodyHead].flatMap((begin) => Array.from({ length: 500 }, () => slowSocket(app, begin)));

  const times: number[] = [];
  const ended = Promise.all(slow);
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!over) {
    const asked = performance.now();
    expect((await app.post(QUERY)).status).toBe(200);
    times.push(performance.now() - asked);
    await sleep(25);
  }
  const answers = await ended;
  // 10 seconds, plus a margin for a busy machine.
  expect(performance.now() - started).toBeLessThan(14_000);
  // Each received the reason, and none a result.
  expect(new Set(answers.map((answer) => answer.split("\r\n", 1)[0]))).toEqual(
    new Set(["HTTP/1.1 408 Request Timeout"]),
  );
  times.sort((a, b) => a - b);
  expect(times.length).toBeGreaterThan(50);
  expect(times[Math.floor(times.length * 0.5)]).toBeLessThan(100);
  expect(times[Math.floor(times.length * 0.95)]).toBeLessThan(500);
});

/** Sends the beginning, then a byte a second. Resolves to what it received, once it is closed. */
function slowSocket({ address }: App, begin: string): Promise<string> {
  return new Promise((resolve) => {
    const { port, hostname } = new URL(address);
    let text = "";
    const socket = connect(Number(port), hostname);
    socket.write(begin);
    const timer = setInterval(() => socket.write("a"), 1000);
    socket.on("data", (chunk) => {
      text += chunk;
    });
    // It may still write while the server closes the connection.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearInterval(timer);
      resolve(text);
    });
  });
}

test("connections past the limit are closed immediately, and counted, until there is room again", async () => {
  expect(app.server.server.maxConnections).toBe(10_000);
  small = await makeApp();
  small.server.server.maxConnections = 2;
  const sockets = [await open(small), await open(small)];
  await closed(await open(small));
  for (const socket of sockets) {
    expect(await probe(socket)).toMatch(/^HTTP\/1\.1 200 /);
    await closed(socket.destroy());
  }
  // The server notices a moment later.
  const deadline = Date.now() + 5000;
  while ((await connectionsOf(small)) > 0) {
    if (Date.now() > deadline) throw new Error("the server still holds connections");
    await sleep(5);
  }
  expect((await small.request("/metrics")).text).toContain("latchkey_http_connections_dropped_total 1\n");
});

async function open({ address }: App): Promise<Socket> {
  const { port, hostname } = new URL(address);
  const socket = connect(Number(port), hostname).on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

async function connectionsOf({ server }: App): Promise<number> {
  return promisify(server.server.getConnections.bind(server.server))();
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.resume().once("close", resolve));
}

async function probe(socket: Socket): Promise<string> {
  socket.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
  return new Promise((resolve) => socket.once("data", (chunk) => resolve(String(chunk))));
}

describe("sizes", () => {
  test("headers of more than 16 KB are refused with 431, one long or many short", async () => {
    for (const header of [`x: ${"a".repeat(16 * 1024)}`, "a: b\r\n".repeat(3000).trimEnd()]) {
      const answer = await raw(app.address, ["GET /healthz HTTP/1.1", HOST, header, "", ""]);
      expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    }
    const fine = ["GET /healthz HTTP/1.1", HOST, `x: ${"a".repeat(15 * 1024)}`, "connection: close", "", ""];
    expect(await raw(app.address, fine)).toMatch(/^HTTP\/1\.1 200 /);
  });

  // For a declared length, see server.test.ts and routes/oauth.test.ts.
  test.each([
    ["/graphql", JSON_TYPE, '{"errors":[{"message":"Request body is too large","extensions":'],
    ["/token", "content-type: application/x-www-form-urlencoded", '{"error":"invalid_request",'],
  ])(
    "a body of more than 64 KB without a declared length is refused with 413 at %s",
    async (path, type, form) => {
      const chunk = `2000\r\n${"a".repeat(0x2000)}\r\n`;
      const lines = rawPost(path, [HOST, type, "transfer-encoding: chunked"], chunk.repeat(9));
      const answer = await raw(app.address, lines);
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(answer).toContain(form);
    },
  );
});

describe("a compressed body", () => {
  const bomb = gzipSync(Buffer.alloc(10_000_000));

  test.each([
    [
      "/graphql",
      {
        errors: [
          { message: "Send the body without a Content-Encoding.", extensions: { code: "BAD_REQUEST" } },
        ],
      },
    ],
    ["/token", { error: "invalid_request", error_description: "Send the body without a Content-Encoding." }],
    ["/revoke", { error: "invalid_request", error_description: "Send the body without a Content-Encoding." }],
    [
      "/introspect",
      { error: "invalid_request", error_description: "Send the body without a Content-Encoding." },
    ],
    ["/nothing", { error: "Send the body without a Content-Encoding." }],
  ])("is refused with 415 in the error format of %s", async (path, expected) => {
    for (const encoding of ["gzip", "BR", "deflate", "zstd", "identity, gzip", "gzip, identity", "x"]) {
      const headers = { "content-encoding": encoding, "content-type": "application/json" };
      const {
        status,
        headers: answered,
        text,
      } = await app.request(path, { method: "POST", body: bomb, headers });
      expect([status, JSON.parse(text)]).toEqual([415, expected]);
      // RFC 9110, 15.5.16.
      expect(answered.get("accept-encoding")).toBe("identity");
    }
  });

  test("with the encoding `identity` is read", async () => {
    const { status } = await app.post(QUERY, { headers: { "content-encoding": "Identity" } });
    expect(status).toBe(200);
  });
});

describe("a request that two parsers could read differently", () => {
  const length = `content-length: ${QUERY.length}`;
  const chunked = `${QUERY.length.toString(16)}\r\n${QUERY}\r\n0\r\n\r\n`;

  test.each([
    ["both lengths", [length, "transfer-encoding: chunked"], chunked],
    ["two different lengths", [length, "content-length: 1"], QUERY],
    ["a length with a sign", ["content-length: +26"], QUERY],
    ["an unknown transfer encoding", ["transfer-encoding: chunked, identity"], chunked],
    ["a chunk without a length", ["transfer-encoding: chunked"], `zz\r\n${chunked}`],
    ["an endless chunk extension", ["transfer-encoding: chunked"], `1;${"a".repeat(40_000)}`],
    ["a folded header", [length, "x: a\r\n b"], QUERY],
    ["a space before the colon", [length, "x : a"], QUERY],
  ])("is refused for %s, and its connection is closed", async (_what, headers, body) => {
    const answer = await raw(app.address, rawPost("/graphql", [HOST, JSON_TYPE, ...headers], body));
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  test("is answered once if it is well-formed", async () => {
    const answer = await raw(app.address, rawGraphQL({ query: "{ __typename }" }, [HOST]));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });
});

test("a body that ends early is refused", async () => {
  const lines = rawPost("/graphql", [HOST, JSON_TYPE, "content-length: 100"], '{"query"');
  const answer = await raw(app.address, lines, async (socket) => void socket.end());
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).not.toContain('"data"');
});

test.each([1, 3, 20])(
  "a body of %d MB is refused, up to 4 MB with an answer instead of a broken connection",
  async (size) => {
    const body = JSON.stringify({ query: "#".repeat(size * 2 ** 20) });
    const headers = { "content-type": "application/json" };
    for (let n = 0; n < 10; n++) {
      const answer = app.request("/graphql", { method: "POST", headers, body });
      // The server closes the connection of a much larger body before its end.
      if (size > 4) await answer.catch(() => {});
      else expect((await answer).status).toBe(413);
    }
    expect((await app.request("/healthz")).status).toBe(200);
  },
);

test("refusals are sent at a steady rate, and neither other answers nor failed probes wait for them", async () => {
  // Routes that cost nothing: a route slower than the rate would hide it.
  const server = fastify();
  paceRefusals(server);
  server.get("/refused", (_request, reply) => reply.code(429).send());
  server.get("/fine", () => "fine");
  server.get("/readyz", (_request, reply) => reply.code(503).send());
  await server.ready();
  const started = performance.now();
  let refused = 0;
  const refusals = Array.from({ length: 100 }, async () => {
    expect((await server.inject("/refused")).statusCode).toBe(429);
    refused++;
  });
  // 200 a second.
  await refusals[0];
  expect((await server.inject("/fine")).body).toBe("fine");
  expect((await server.inject("/readyz")).statusCode).toBe(503);
  expect(refused).toBeLessThan(100);
  await Promise.all(refusals);
  expect(performance.now() - started).toBeGreaterThan(490);
  await server.close();
});
