import { beforeAll, describe, expect, test } from "@jest/globals";
import type { SessionState } from "@latchkey/client";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { makeClient } from "../support/client.js";
import { makeUser } from "../support/users.js";

const ME = "{ me { username } }";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

/** A client whose user has just signed in. */
async function signedIn(username?: string) {
  const user = await makeUser(app, username);
  const client = makeClient(app);
  await client.latchkey.signIn(user.username, PASSWORD);
  client.fields();
  return { ...client, user };
}

describe("a session", () => {
  test("signs in, sends operations with the access token, and signs out", async () => {
    const user = await makeUser(app);
    const { latchkey, storage, fields } = makeClient(app);
    const states: SessionState[] = [];
    latchkey.subscribe((state) => states.push(state));
    expect(latchkey.state).toEqual({ status: "loading" });
    expect(await latchkey.accessToken()).toBeUndefined();
    expect(await latchkey.signIn(user.username, PASSWORD)).toMatchObject({
      step: "done",
      user: { id: user.id },
    });
    expect(await latchkey.request(ME)).toEqual({ me: { username: user.username } });
    expect(storage.token).toMatch(/^[\w-]{43}$/);
    await latchkey.signOut();
    expect([storage.token, await latchkey.accessToken()]).toEqual([null, undefined]);
    expect(fields()).toEqual(["signIn", "me", "logout"]);
    expect(states).toMatchObject([
      { status: "signed-out" },
      { status: "signed-in", user: { username: user.username, roles: ["USER"] } },
      { status: "signed-out", reason: "SIGNED_OUT" },
    ]);
  });

  test("begins with the refresh token of the storage", async () => {
    const user = await makeUser(app);
    const { latchkey, storage } = makeClient(app);
    storage.token = user.refreshToken;
    expect(await latchkey.request(ME)).toEqual({ me: { username: user.username } });
    expect(storage.token).not.toBe(user.refreshToken);
  });

  test("is refreshed once however many requests find it expired", async () => {
    const { latchkey, user, fields } = await signedIn();
    app.clock.advance(16 * 60_000);
    const answers = await Promise.all(Array.from({ length: 5 }, () => latchkey.request(ME)));
    expect(answers).toEqual(Array(5).fill({ me: { username: user.username } }));
    expect(fields().filter((field) => field === "refreshToken")).toHaveLength(1);
  });
});
