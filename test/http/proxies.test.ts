import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp } from "../support/app.js";

/** Where a program is installed: nobody needs any of these to test Latchkey. */
function isInstalled(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** The documentation's own recipe. */
function recipe(language: string): string {
  const guide = readFileSync("docs/other-services.md", "utf8");
  const text = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(guide)?.[1];
  if (text === undefined) throw new Error(`docs/other-services.md has no ${language}`);
  return text;
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

describe.each(Object.entries(PROXIES))("the documented recipe for %s", (name, argumentsFor) => {
  // Skipped, by name, where it is not installed.
  const run = isInstalled(name) ? test : test.skip;
  let app: App;
  let userId: string;
  let received: IncomingHttpHeaders[] = [];
  const behind = createServer(({ headers }, response) => {
    received.push(headers);
    response.end("behind");
  });
  beforeAll(async () => {
    app = await makeApp();
    userId = (await app.createUser("alice")).id;
    await once(behind.listen(0, "127.0.0.1"), "listening");
  });
  afterAll(async () => {
    behind.close();
    await app.close();
  });

  run("lets in who is signed in, says who it is, and nobody else", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    const directory = mkdtempSync(join(tmpdir(), "latchkey-proxy-"));
    const hosts = (text: string) =>
      text
        .replaceAll("auth.internal:4000", new URL(app.address).host)
        .replaceAll("app.internal:3000", `127.0.0.1:${(behind.address() as AddressInfo).port}`);
    const proxy = spawn(name, argumentsFor(directory, port, hosts), {
      env: { PATH: process.env["PATH"], HOME: directory },
      stdio: "ignore",
    });
    const ended = once(proxy, "exit");
    try {
      const ask = (init: RequestInit = {}) => fetch(`http://127.0.0.1:${port}/some/path?x=y`, init);
      const deadline = performance.now() + 15_000;
      while (!(await ask().catch(() => undefined))) {
        if (performance.now() > deadline) throw new Error(`${name} does not answer`);
        await sleep(50);
      }
      received = [];
      const forged = { "latchkey-user-id": "forged", "latchkey-roles": "ADMIN" };
      const { accessToken } = await app.login("alice");
      const authorization = `Bearer ${accessToken}`;
      for (const headers of [forged, { ...forged, authorization: "Bearer x" }]) {
        const refused = await ask({ headers });
        expect([refused.status, refused.headers.get("www-authenticate")?.split(" ")[0]]).toEqual([
          401,
          "Bearer",
        ]);
      }
      expect(received).toEqual([]);
      for (const init of [
        {},
        { method: "POST", body: "x".repeat(100_000) },
        { method: "POST", body: "{}", headers: { "content-encoding": "gzip" } },
      ]) {
        received = [];
        const answer = await ask({ ...init, headers: { ...init.headers, ...forged, authorization } });
        expect([answer.status, await answer.text()]).toEqual([200, "behind"]);
        expect(received).toMatchObject([{ "latchkey-user-id": userId, "latchkey-roles": "USER" }]);
      }
      // Names that a CGI application takes for ours, and a wish to have ours removed on the way.
      for (const headers of [
        { latchkey_user_id: "forged", latchkey_roles: "ADMIN" },
        { connection: "close, Latchkey-User-Id, latchkey-roles" },
      ]) {
        received = [];
        const sent = request(`http://127.0.0.1:${port}/`, { headers: { ...headers, authorization } }).end();
        const [response] = await once(sent, "response");
        await once(response.resume(), "end");
        expect(received).toMatchObject([{ "latchkey-user-id": userId, "latchkey-roles": "USER" }]);
        expect(Object.keys(received[0]!).filter((header) => /^latchkey_/.test(header))).toEqual([]);
      }
      await app.latchkey.operator.disable("alice");
      expect((await ask({ headers: { authorization } })).status).toBe(401);
    } finally {
      proxy.kill("SIGTERM");
      await ended;
    }
  });
});
