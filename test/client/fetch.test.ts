import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { createFetch } from "@latchkey/client/fetch";
import { MINUTE } from "../../src/clock.js";
import { type App, makeApp } from "../support/app.js";
import { makeClient, signedInClient } from "../support/client.js";
import { closeWithFile } from "../support/opened.ts";
import { REVOKE_OTHER_SESSIONS } from "../support/operations.js";
import { RECENT } from "../support/sessions.js";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

const post = (query: string): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ query }),
});
const ME = post("{ me { username } }");

/** A server that answers with the status that is asked for, and says what it got. */
async function startService() {
  const requests: { authorization: string | undefined; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    requests.push({ authorization: request.headers.authorization, body });
    const [, status, challenge] = request.url!.split("/");
    response.writeHead(
      Number(status),
      challenge ? { "www-authenticate": decodeURIComponent(challenge) } : {},
    );
    response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closeWithFile(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

describe("fetch with the access token", () => {
  test("sends it to the given origins only", async () => {
    const { latchkey } = await signedInClient(app);
    const [api, other] = [await startService(), await startService()];
    const fetch = createFetch(latchkey, { origins: [`${api.origin}/graphql`] });
    await fetch(`${api.origin}/200`, { method: "POST", body: "text" });
    await fetch(new URL(`${api.origin}/200`));
    await fetch(new Request(`${api.origin}/200`));
    await fetch(`${other.origin}/200`);
    const authorization = `Bearer ${await latchkey.accessToken()}`;
    expect(api.requests).toEqual([
      { authorization, body: "text" },
      { authorization, body: "" },
      { authorization, body: "" },
    ]);
    expect(other.requests).toEqual([{ authorization: undefined, body: "" }]);
  });

  test("leaves an authorization of the app's alone", async () => {
    const { latchkey } = await signedInClient(app);
    const { origin, requests } = await startService();
    const fetch = createFetch(latchkey, { origins: [origin] });
    const { status } = await fetch(`${origin}/401`, { headers: { authorization: "Basic eDp5" } });
    expect([status, requests]).toEqual([401, [{ authorization: "Basic eDp5", body: "" }]]);
  });

  test("refreshes an expired token and sends the request once more, with its body", async () => {
    const { latchkey, username, fields } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    const fetch = createFetch(latchkey, { origins: [app.address] });
    const response = await fetch(`${app.address}/graphql`, ME);
    expect(await response.json()).toEqual({ data: { me: { username } } });
    expect(fields()).toEqual(["refreshToken"]);
  });

  test("returns a second 401", async () => {
    const { latchkey, fields } = await signedInClient(app);
    const { origin, requests } = await startService();
    const fetch = createFetch(latchkey, { origins: [origin] });
    expect((await fetch(`${origin}/401`)).status).toBe(401);
    expect([requests.length, fields()]).toEqual([2, ["refreshToken"]]);
  });

  test.each([
    ["an authentication that is too old", 'Bearer error="insufficient_user_authentication", max_age=600'],
    ["another error", 'Bearer error="invalid_request"'],
  ])("does not refresh for %s", async (_, challenge) => {
    const { latchkey, fields } = await signedInClient(app);
    const { origin, requests } = await startService();
    const fetch = createFetch(latchkey, { origins: [origin] });
    expect((await fetch(`${origin}/401/${encodeURIComponent(challenge)}`)).status).toBe(401);
    expect([requests.length, fields()]).toEqual([1, []]);
    app.clock.advance(RECENT + 1000);
  });

  test("signs out when the session has ended", async () => {
    const { latchkey, username } = await signedInClient(app);
    const { accessToken: token } = await app.login(username);
    await app.send(REVOKE_OTHER_SESSIONS, {}, { token });
    const fetch = createFetch(latchkey, { origins: [app.address] });
    expect((await fetch(`${app.address}/graphql`, ME)).status).toBe(401);
    expect(latchkey.state).toEqual({ status: "signed-out", reason: "SESSION_ENDED" });
  });

  test("sends requests without a token when nobody is signed in", async () => {
    const { latchkey } = makeClient(app);
    const { origin, requests } = await startService();
    const fetch = createFetch(latchkey, { origins: [origin] });
    expect((await fetch(`${origin}/401`)).status).toBe(401);
    expect(requests).toEqual([{ authorization: undefined, body: "" }]);
  });
});
