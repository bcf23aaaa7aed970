import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type App, makeApp } from "../support/app.js";
import { freePort } from "../support/free-port.js";

/** Where a proxy is installed, if it is: the tests of Latchkey do not require one. */
function isInstalled(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** The recipe from the README or a guide. */
function recipe(language: string): string {
  const guides = readdirSync("docs").filter((file) => file.endsWith(".md"));
  for (const file of ["README.md", ...guides.map((guide) => join("docs", guide))]) {
    const text = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readFileSync(file, "utf8"))?.[1];
    if (text?.includes("/forward-auth")) return text;
  }
  throw new Error(`no guide has a recipe for ${language}`);
}

const PROXIES = {
  nginx: (directory: string, port: number, hosts: (text: string) => string) => {
    const file = join(directory, "nginx.conf");
    writeFileSync(
      file,
      `daemon off; pid ${directory}/pid; error_log stderr; events {}
      http {
        access_log off; client_body_temp_path ${directory}; proxy_temp_path ${directory};
        fastcgi_temp_path ${directory}; uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
        server { listen 127.0.0.1:${port}; ${hosts(recipe("nginx"))} }
      }`,
    );
    return ["-c", file, "-p", directory];
  },
  caddy: (directory: string, port: number, hosts: (text: string) => string) => {
    const file = join(directory, "Caddyfile");
    const site = hosts(recipe("caddyfile")).replace("app.example.com", `http://127.0.0.1:${port}`);
    writeFileSync(file, `{\nadmin off\nauto_https off\n}\n${site}`);
    return ["run", "--config", file, "--adapter", "caddyfile"];
  },
};

const ORIGIN = "https://app.example.com";

describe.each(Object.entries(PROXIES))("the recipe for %s", (name, argumentsFor) => {
  const installed = isInstalled(name);
  // Reported as skipped if the proxy is not installed.
  const run = installed ? test : test.skip;
  let app: App;
  let userId: string;
  let authorization: string;
  let port: number;
  let proxy: ChildProcess | undefined;
  let received: IncomingHttpHeaders[] = [];
  const behind = createServer(({ headers }, response) => {
    received.push(headers);
    response.end("behind");
  });
  beforeAll(async () => {
    app = await makeApp({ env: { CORS_ORIGINS: ORIGIN } });
    userId = (await app.createUser("alice")).id;
    authorization = `Bearer ${(await app.login("alice")).accessToken}`;
    await once(behind.listen(0, "127.0.0.1"), "listening");
    if (!installed) return;
    port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), "latchkey-proxy-"));
    const hosts = (text: string) =>
      text
        .replaceAll("auth.internal:4000", new URL(app.address).host)
        .replaceAll("app.internal:3000", `127.0.0.1:${(behind.address() as AddressInfo).port}`);
    proxy = spawn(name, argumentsFor(directory, port, hosts), {
      env: { PATH: process.env["PATH"], HOME: directory },
      stdio: "ignore",
    });
    const deadline = performance.now() + 15_000;
    while (!(await ask().catch(() => undefined))) {
      if (performance.now() > deadline) throw new Error(`${name} does not answer`);
      await sleep(50);
    }
  }, 30_000);
  afterAll(async () => {
    if (proxy !== undefined && proxy.exitCode === null) {
      const ended = once(proxy, "exit");
      proxy.kill("SIGTERM");
      await ended;
    }
    behind.close();
    await app.close();
  });
  beforeEach(() => {
    received = [];
  });

  const ask = (init: RequestInit = {}) => fetch(`http://127.0.0.1:${port}/some/path?x=y`, init);

  /** Sends headers that fetch does not allow. @returns the status */
  async function askRaw(method: string, headers: Record<string, string>): Promise<number> {
    const asked = request({
      host: "127.0.0.1",
      port,
      method,
      path: "/some/path",
      headers,
      agent: false,
    }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    await once(answer.resume(), "end");
    return answer.statusCode!;
  }

  /** The headers that the application could mistake for Latchkey's: many treat `-`, `_` and `.` alike. */
  const latchkeyHeaders = () =>
    received.map((headers) =>
      Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("latchkey"))),
    );

  const FORGED = { "latchkey-user-id": "forged", "latchkey-roles": "ADMIN" };

  run.each([
    ["without a token", {}],
    ["with a bad token", { authorization: "Bearer x" }],
  ])("refuses a request %s", async (_what, headers) => {
    const refused = await ask({ headers: { ...FORGED, ...headers } });
    expect([refused.status, refused.headers.get("www-authenticate")?.split(" ")[0]]).toEqual([401, "Bearer"]);
    expect(received).toEqual([]);
  });

  run("refuses a CORS preflight of an allowed origin without a token", async () => {
    const headers = { origin: ORIGIN, "access-control-request-method": "POST" };
    expect(await askRaw("OPTIONS", headers)).toBe(401);
    expect(received).toEqual([]);
  });

  run.each<[string, RequestInit]>([
    ["a GET", {}],
    ["a large body", { method: "POST", body: "x".repeat(100_000) }],
    ["a compressed body", { method: "POST", body: "{}", headers: { "content-encoding": "gzip" } }],
  ])("passes on %s of a signed-in user, with the user's id and roles", async (_what, init) => {
    const answer = await ask({ ...init, headers: { ...init.headers, ...FORGED, authorization } });
    expect([answer.status, await answer.text()]).toEqual([200, "behind"]);
    expect(latchkeyHeaders()).toEqual([{ "latchkey-user-id": userId, "latchkey-roles": "USER" }]);
  });

  run.each([
    ["underscores", { Latchkey_User_Id: "forged", LATCHKEY_ROLES: "ADMIN", "latchkey-user_id": "forged" }],
    ["dots", { "Latchkey.User.Id": "forged", "latchkey.roles": "ADMIN" }],
    ["the headers named as hop-by-hop", { connection: "close, Latchkey-User-Id, LATCHKEY-ROLES" }],
    ["the headers named as hop-by-hop without a space", { connection: "Latchkey-User-Id,close" }],
  ])("is not deceived by %s", async (_what, headers) => {
    expect(await askRaw("GET", { ...headers, authorization })).toBe(200);
    expect(latchkeyHeaders()).toEqual([{ "latchkey-user-id": userId, "latchkey-roles": "USER" }]);
  });

  run("refuses a disabled user at the next request", async () => {
    await app.createUser("bob");
    const headers = { authorization: `Bearer ${(await app.login("bob")).accessToken}` };
    expect((await ask({ headers })).status).toBe(200);
    await app.latchkey.operator.disable("bob");
    expect((await ask({ headers })).status).toBe(401);
  });
});
