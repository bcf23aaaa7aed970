import { mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { systemClock } from "../src/clock.js";
import { makeApp } from "./support/app.js";
import { closeWithFile } from "./support/opened.ts";
import { makeUser } from "./support/users.js";

type Authenticate = (request: IncomingMessage, response: ServerResponse, next: () => void) => Promise<void>;

test("the middleware of the guide to other services lets in users with a token of Latchkey", async () => {
  const app = await makeApp({ clock: systemClock });
  const { id, accessToken } = await makeUser(app);
  const [, code = ""] = /```ts\n([\s\S]+?)```/.exec(readFileSync("docs/other-services.md", "utf8")) ?? [];
  const directory = mkdtempSync(join(tmpdir(), "latchkey-"));
  symlinkSync(resolve("node_modules"), join(directory, "node_modules"));
  writeFileSync(join(directory, "package.json"), `{ "type": "module" }`);
  const options = { issuer: app.config.publicUrl, keysUrl: `${app.address}/.well-known/jwks.json` };
  const here = code.replace('{ issuer: "https://auth.example.com" }', JSON.stringify(options));
  expect(here).not.toBe(code);
  writeFileSync(join(directory, "middleware.ts"), here);
  const { authenticate } = (await import(`${pathToFileURL(join(directory, "middleware.ts"))}`)) as {
    authenticate: Authenticate;
  };
  const server = createServer((request, response) => {
    void authenticate(request, response, () =>
      response.end((request as { viewer?: { id: string } }).viewer?.id),
    );
  }).listen(0, "127.0.0.1");
  closeWithFile(() => server.close());
  await new Promise((listening) => server.once("listening", listening));
  const { port } = server.address() as AddressInfo;
  const get = async (headers: Record<string, string>) => {
    const response = await fetch(`http://127.0.0.1:${port}`, {
      headers: { ...headers, connection: "close" },
    });
    return [response.status, response.headers.get("www-authenticate"), await response.text()];
  };
  expect(await get({ authorization: `Bearer ${accessToken}` })).toEqual([200, null, id]);
  expect(await get({})).toEqual([401, "Bearer", ""]);
  expect(await get({ authorization: `Bearer ${accessToken}x` })).toEqual([401, "Bearer", ""]);
});
