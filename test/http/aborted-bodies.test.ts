import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { closingAfterEach } from "../support/closing.js";
import { INTROSPECTION_SECRET } from "../support/tokens.js";

const start = closingAfterEach();

describe("a body that its sender aborts", () => {
  test.each([
    ["/graphql", "application/json"],
    ["/token", "application/x-www-form-urlencoded"],
    ["/revoke", "application/x-www-form-urlencoded"],
    ["/introspect", "application/x-www-form-urlencoded"],
    ["/nothing", "application/json"],
  ])("is a client error at %s, and does not mention the database", async (path, type) => {
    const app = await start({ env: { INTROSPECTION_SECRET } });
    const socket = connect(Number(new URL(app.address).port), "127.0.0.1");
    await once(socket, "connect");
    const head = [`POST ${path} HTTP/1.1`, "host: localhost", `content-type: ${type}`, "content-length: 100"];
    socket.write([...head, "", "half of it"].join("\r\n"));
    await sleep(100);
    socket.resetAndDestroy();
    const line = () => app.seen.find((text) => text.includes('"msg":"request"'));
    const deadline = performance.now() + 10_000;
    while (line() === undefined && performance.now() < deadline) await sleep(20);
    expect(JSON.parse(line() ?? "{}")).toMatchObject({ path: expect.any(String), status: "aborted" });
    await sleep(50);
    const logged = app.seen.join();
    expect(logged).not.toMatch(/database is away|SERVICE_UNAVAILABLE|request failed|operation failed/);
  });
});
