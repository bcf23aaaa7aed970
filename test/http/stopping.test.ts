import { Agent, get, request } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { makeApp, PASSWORD } from "../support/app.js";
import { raw } from "../support/raw.js";

test("a stop waits for no connection that is kept alive or was only opened, and finishes what is in flight", async () => {
  const app = await makeApp({ config: { bcryptCost: 10 } });
  await app.createUser("alice");
  const agent = new Agent({ keepAlive: true });
  const { port } = new URL(app.address);

  // One that was answered and is kept, and one that has asked nothing yet, as browsers open them in advance.
  const kept = await new Promise<string | undefined>((resolve, reject) => {
    get(`${app.address}/healthz`, { agent }, (response) =>
      response.resume().on("end", () => resolve(response.headers.connection)),
    ).on("error", reject);
  });
  expect(kept).toBe("keep-alive");
  const opened = connect(Number(port), "127.0.0.1");
  await new Promise((resolve) => opened.once("connect", resolve));
  const openedEnds = new Promise((resolve) => opened.resume().once("close", resolve));

  // And one that waits for its answer, over which the client would like to ask again.
  const inFlight = new Promise<{ status: number | undefined; connection: string | undefined; text: string }>(
    (resolve, reject) => {
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      request(
        `${app.address}/token`,
        { method: "POST", agent: new Agent({ keepAlive: true }), headers },
        (response) => {
          let text = "";
          response
            .on("data", (chunk) => {
              text += chunk;
            })
            .on("end", () =>
              resolve({ status: response.statusCode, connection: response.headers.connection, text }),
            );
        },
      )
        .on("error", reject)
        .end(`grant_type=password&username=alice&password=${PASSWORD}`);
    },
  );
  while (!app.seen.some((line) => line.includes('"path":"/token"'))) await sleep(1);

  const began = performance.now();
  await app.server.close();
  // Node keeps an answered connection for 5 seconds more.
  expect(performance.now() - began).toBeLessThan(3_000);
  await openedEnds;
  const { status, connection, text } = await inFlight;
  expect([status, connection]).toEqual([200, "close"]);
  expect(JSON.parse(text)).toMatchObject({ token_type: "bearer" });
  await app.close();
});

test("is not ready while draining or without its database", async () => {
  const app = await makeApp();
  await app.latchkey.db.destroy();
  expect(await app.request("/readyz")).toMatchObject({
    status: 503,
    text: '{"status":"unavailable","reason":"the database does not answer"}',
  });
  expect(await app.request("/healthz")).toMatchObject({ status: 200 });

  // A connection that is in the middle of a request when the drain begins.
  const answer = raw(app.address, ["GET /readyz HTTP/1.1", "host: localhost"], async (socket) => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closed = app.server.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.write("\r\n\r\n");
    await closed;
  });
  expect(await answer).toMatch(/^HTTP\/1\.1 503 /);
  await app.close();
});
