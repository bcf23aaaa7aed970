import { afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { DAY, MINUTE, SECOND } from "../../src/clock.js";
import { type App, makeApp } from "../support/app.js";
import { ME_QUERY, signedInClient } from "../support/client.js";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});
afterEach(() => {
  for (const clock of clocks.splice(0)) clock.mockRestore();
});

const clocks: { mockRestore(): void }[] = [];

/** Moves the clocks of the client's machine from where they really are, in milliseconds. */
function move({ monotonic, wall }: { monotonic: number; wall: number }): void {
  for (const clock of clocks.splice(0)) clock.mockRestore();
  const ticks = performance.now();
  const time = Date.now();
  clocks.push(
    jest.spyOn(performance, "now").mockImplementation(() => ticks + monotonic),
    jest.spyOn(Date, "now").mockImplementation(() => time + wall),
  );
}

describe("an access token", () => {
  test("that is refused as expired is refreshed once for all requests, and each is sent once more", async () => {
    const { latchkey, username, fields } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    const answers = await Promise.all(Array.from({ length: 5 }, () => latchkey.request(ME_QUERY)));
    expect(answers).toEqual(Array(5).fill({ me: { username } }));
    const sent = fields();
    expect(sent.filter((field) => field === "refreshToken")).toHaveLength(1);
    expect(sent).toHaveLength(11);
  });

  test("is refreshed half a minute before it expires", async () => {
    const { latchkey, fields } = await signedInClient(app);
    move({ monotonic: 15 * MINUTE - 31 * SECOND, wall: 15 * MINUTE - 31 * SECOND });
    await latchkey.request(ME_QUERY);
    expect(fields()).toEqual(["me"]);
    move({ monotonic: 15 * MINUTE - 29 * SECOND, wall: 15 * MINUTE - 29 * SECOND });
    await Promise.all([latchkey.request(ME_QUERY), latchkey.request(ME_QUERY)]);
    expect(fields()).toEqual(["refreshToken", "me", "me"]);
  });

  test("of a minute is refreshed six seconds before it expires", async () => {
    const short = await makeApp({ config: { accessTokenExpireMinutes: 1 } });
    const { latchkey, fields } = await signedInClient(short);
    move({ monotonic: 53 * SECOND, wall: 53 * SECOND });
    await latchkey.request(ME_QUERY);
    expect(fields()).toEqual(["me"]);
    move({ monotonic: 55 * SECOND, wall: 55 * SECOND });
    await latchkey.request(ME_QUERY);
    await latchkey.request(ME_QUERY);
    expect(fields()).toEqual(["refreshToken", "me", "me"]);
  });

  test.each([
    ["years behind", -900 * DAY],
    ["years ahead", 900 * DAY],
  ])("does not mind a wall clock that is %s", async (_, wall) => {
    move({ monotonic: 0, wall });
    const { latchkey, fields } = await signedInClient(app);
    await latchkey.request(ME_QUERY);
    await latchkey.request(ME_QUERY);
    expect(fields()).toEqual(["me", "me"]);
  });

  test("is not kept longer when the wall clock is set back", async () => {
    const { latchkey, fields } = await signedInClient(app);
    move({ monotonic: 15 * MINUTE, wall: -DAY });
    await latchkey.request(ME_QUERY);
    expect(fields()).toEqual(["refreshToken", "me"]);
  });

  test("is refreshed once when the wall clock is set ahead", async () => {
    const { latchkey, fields } = await signedInClient(app);
    move({ monotonic: 0, wall: DAY });
    await latchkey.request(ME_QUERY);
    await latchkey.request(ME_QUERY);
    expect(fields()).toEqual(["refreshToken", "me", "me"]);
  });

  test("is refreshed first on a laptop that slept, whose monotonic clock stood still", async () => {
    const { latchkey, fields } = await signedInClient(app);
    app.clock.advance(60 * MINUTE);
    move({ monotonic: 0, wall: 60 * MINUTE });
    await latchkey.request(ME_QUERY);
    expect(fields()).toEqual(["refreshToken", "me"]);
  });

  test("that the server refuses again is not refreshed for ever", async () => {
    // The same sessions, but tokens for another audience.
    const strange = await makeApp({ databaseUrl: app.databaseUrl, env: { TOKEN_AUDIENCE: "other" } });
    const { latchkey, fields, setNetwork } = await signedInClient(strange);
    setNetwork(({ field, pass }) => pass(field === "me" ? app : strange));
    await expect(latchkey.request(ME_QUERY)).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      extensions: { reason: "INVALID_TOKEN" },
    });
    expect(fields()).toEqual(["me", "refreshToken", "me"]);
    expect(latchkey.state.status).toBe("signed-in");
  });
});
