import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { MINUTE, SECOND } from "../../src/clock.js";
import { type App, makeApp } from "../support/app.js";
import { ME_QUERY, makeClient, type Passing, signedInClient } from "../support/client.js";
import { makeUser } from "../support/users.js";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});
afterEach(() => void jest.useRealTimers());

const unreachable = () => Promise.reject(new TypeError("fetch failed"));
const answers =
  (status: number, body: string, headers: Record<string, string> = {}) =>
  async () =>
    new Response(body, { status, headers });
const error = (code: string, extensions: object, status: number) =>
  answers(status, JSON.stringify({ errors: [{ message: "Not now.", extensions: { code, ...extensions } }] }));
const unanswered = ({ signal }: Passing) =>
  new Promise<Response>((_, reject) => {
    signal?.throwIfAborted();
    signal?.addEventListener("abort", () => reject(signal.reason));
  });

/** Timers of the client run only when they are told to. */
const freezeTimers = (): void =>
  void jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask", "performance"] });
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A client whose access token has expired, behind a network that treats refreshes like this. */
async function expiredClient(refresh: (request: Passing) => Promise<Response>) {
  const client = await signedInClient(app);
  app.clock.advance(16 * MINUTE);
  client.setNetwork((request) => (request.field === "refreshToken" ? refresh(request) : request.pass()));
  return client;
}

describe("a server that is unavailable", () => {
  test.each([
    ["cannot be reached", unreachable, { code: "NETWORK_ERROR", message: "The server cannot be reached." }],
    [
      "is replaced by a proxy's page",
      answers(502, "<h1>Bad gateway</h1>"),
      {
        code: "NETWORK_ERROR",
        message: "The server answered 502 and not in GraphQL.",
        extensions: { status: 502 },
      },
    ],
    [
      "is replaced by a page that is no error",
      answers(200, "<h1>Sign in to the Wi-Fi</h1>"),
      { code: "NETWORK_ERROR", extensions: { status: 200 } },
    ],
    ["answers nothing", answers(200, "null"), { code: "NETWORK_ERROR", extensions: { status: 200 } }],
    ["answers something else", answers(200, "{}"), { code: "NETWORK_ERROR", extensions: { status: 200 } }],
    ["fails", error("INTERNAL_SERVER_ERROR", { errorId: "1" }, 500), { code: "INTERNAL_SERVER_ERROR" }],
    [
      "has no database",
      error("SERVICE_UNAVAILABLE", { retryAfter: 5 }, 503),
      { code: "SERVICE_UNAVAILABLE" },
    ],
    ["limits the rate", error("RATE_LIMITED", { retryAfter: 60 }, 429), { code: "RATE_LIMITED" }],
    ["does not allow the origin", error("FORBIDDEN", {}, 403), { code: "FORBIDDEN" }],
  ])("that %s leaves the user signed in, and is not asked again at once", async (_, refresh, thrown) => {
    const { latchkey, storage, fields } = await expiredClient(refresh);
    const before = storage.token;
    await expect(latchkey.request(ME_QUERY)).rejects.toMatchObject({ name: "LatchkeyError", ...thrown });
    for (let n = 0; n < 10; n++) await expect(latchkey.request(ME_QUERY)).rejects.toMatchObject(thrown);
    expect(fields()).toEqual(["me", "refreshToken"]);
    expect([latchkey.state.status, storage.token]).toEqual(["signed-in", before]);
  });

  test("is asked again after a while, twice as long each time, until it is back", async () => {
    const client = makeClient(app);
    client.storage.token = (await makeUser(app)).refreshToken;
    client.setNetwork(unreachable);
    freezeTimers();
    client.latchkey.subscribe(() => {});
    const asked: number[] = [];
    for (let second = 0; second < 150; second++) {
      await settled();
      if (client.fields().length > 0) asked.push(second);
      jest.advanceTimersByTime(1000);
    }
    // Pauses of 1, 2, 4, 8, 16, 30, 30 … seconds, or down to half of them.
    expect(asked.length).toBeGreaterThanOrEqual(8);
    expect(asked.length).toBeLessThanOrEqual(14);
    expect(client.latchkey.state).toMatchObject({ status: "loading", error: { code: "NETWORK_ERROR" } });
    client.setNetwork(({ pass }) => pass());
    for (let second = 0; second < 30 && client.fields().length === 0; second++) {
      jest.advanceTimersByTime(1000);
      await settled();
    }
    await client.latchkey.accessToken();
    expect(client.latchkey.state.status).toBe("signed-in");
    // The next failure is the first again.
    client.fields();
    app.clock.advance(16 * MINUTE);
    client.setNetwork(({ field, pass }) => (field === "me" ? pass() : unreachable()));
    await expect(client.latchkey.request(ME_QUERY)).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    jest.advanceTimersByTime(1000);
    await settled();
    expect(client.fields()).toEqual(["me", "refreshToken", "refreshToken"]);
  });

  test.each([
    ["in an error", error("OVERLOADED", { retryAfter: 90 }, 503)],
    ["in the header of a proxy", answers(503, "<h1>Maintenance</h1>", { "retry-after": "90" })],
  ])("is not asked again before the time that it says %s", async (_, refresh) => {
    const { latchkey, fields } = await expiredClient(refresh);
    freezeTimers();
    await expect(latchkey.request(ME_QUERY)).rejects.toMatchObject({ extensions: { retryAfter: 90 } });
    jest.advanceTimersByTime(89_999);
    await settled();
    expect(fields()).toEqual(["me", "refreshToken"]);
    jest.advanceTimersByTime(1);
    await settled();
    expect(fields()).toEqual(["refreshToken"]);
  });

  test("does not make a loop of a time that is too long for a timer", async () => {
    const { latchkey, fields } = await expiredClient(error("RATE_LIMITED", { retryAfter: 1e9 }, 429));
    freezeTimers();
    await expect(latchkey.request(ME_QUERY)).rejects.toMatchObject({ code: "RATE_LIMITED" });
    jest.advanceTimersByTime(3_600_000);
    await settled();
    expect(fields()).toEqual(["me", "refreshToken"]);
  });

  test("while the access token still works is not noticed", async () => {
    const { latchkey, username, setNetwork, fields } = await signedInClient(app);
    setNetwork((request) => (request.field === "refreshToken" ? unreachable() : request.pass()));
    const ticks = performance.now();
    const clock = jest.spyOn(performance, "now").mockImplementation(() => ticks + 15 * MINUTE - 20 * SECOND);
    try {
      expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username } });
      expect(fields()).toEqual(["refreshToken", "me"]);
    } finally {
      clock.mockRestore();
    }
  });

  test("that does not answer holds requests for five seconds", async () => {
    const { latchkey, fields } = await expiredClient(unanswered);
    freezeTimers();
    const request = latchkey.request(ME_QUERY);
    const refused = expect(request).rejects.toMatchObject({
      code: "NETWORK_ERROR",
      message: "The server cannot be reached.",
    });
    while (!fields().includes("refreshToken")) await settled();
    jest.advanceTimersByTime(5000);
    await refused;
    expect(latchkey.state.status).toBe("signed-in");
  });

  test("that has refreshed, but whose answer hangs, is asked again within the grace period", async () => {
    const { latchkey, username, setNetwork, fields } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    setNetwork(async (request) => {
      const answer = await request.pass();
      return request.field === "refreshToken" ? unanswered(request) : answer;
    });
    freezeTimers();
    const refused = expect(latchkey.request(ME_QUERY)).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    while (!fields().includes("refreshToken")) await settled();
    // The answer is there by then.
    for (let n = 0; n < 200; n++) await settled();
    let waited = 0;
    setNetwork(({ field, pass }) => {
      if (field === "refreshToken") app.clock.advance(waited);
      return pass();
    });
    while (fields().length === 0 && waited < 20 * SECOND) {
      waited += 500;
      jest.advanceTimersByTime(500);
      await settled();
    }
    await refused;
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username } });
    expect(waited).toBeLessThan(10 * SECOND);
  });

  test("after it has refreshed, but its answer was lost, does not end the session", async () => {
    const { latchkey, username, setNetwork } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    setNetwork(async ({ field, pass }) => {
      await pass();
      return field === "refreshToken" ? unreachable() : pass();
    });
    await expect(latchkey.request(ME_QUERY)).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    setNetwork(({ pass }) => pass());
    app.clock.advance(SECOND);
    await sleep(SECOND);
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username } });
  });

  test("does not keep a program running", () => {
    const program = `
      import { createLatchkey } from "@latchkey/client";
      const storage = { get: () => "token", set() {}, clear() {} };
      const fetch = async () => new Response("", { status: 503, headers: { "retry-after": "60" } });
      await createLatchkey({ url: "http://localhost", storage, fetch }).accessToken().catch(({ code }) => console.log(code));
    `;
    const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
      timeout: 30_000,
    });
    expect([stdout, status]).toEqual(["NETWORK_ERROR\n", 0]);
  });
});

describe("an operation of the app", () => {
  test("can be aborted", async () => {
    const { latchkey, setNetwork } = await signedInClient(app);
    setNetwork(unanswered);
    const controller = new AbortController();
    const request = latchkey.request(ME_QUERY, {}, { signal: controller.signal });
    const reason = new Error("The user has left the page.");
    controller.abort(reason);
    await expect(request).rejects.toBe(reason);
  });

  test("can be aborted while an error arrives", async () => {
    const { latchkey, setNetwork } = await signedInClient(app);
    const controller = new AbortController();
    const reason = new Error("The user has left the page.");
    setNetwork(async () => {
      controller.abort(reason);
      return error("NOT_FOUND", {}, 200)();
    });
    const request = latchkey.request(ME_QUERY, {}, { signal: controller.signal });
    await expect(request).rejects.toBe(reason);
  });
});
