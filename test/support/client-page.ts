import { createServer, request as sendRequest } from "node:http";
import type { AddressInfo } from "node:net";
import type { Latchkey } from "@latchkey/client";
import { build } from "esbuild";
import type { Page } from "puppeteer-core";
import { closeWithFile } from "./opened.ts";

/** A script for a page, with the package as the global `client`. */
export async function bundleClient(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `export * from "@latchkey/client";`, resolveDir: "." },
    bundle: true,
    format: "iife",
    globalName: "client",
    write: false,
  });
  return outputFiles[0]!.text;
}

// In the page.
declare const client: typeof import("@latchkey/client");
declare const latchkey: Latchkey;

/** Opens a page of an app whose client keeps its session in a cookie. */
export async function openClient(page: Page, origin: string, url: string): Promise<Page> {
  await page.goto(origin);
  await startClient(page, url);
  return page;
}

/** Creates a page's client, as the global `latchkey`. */
export async function startClient(page: Page, url: string): Promise<void> {
  await page.evaluate((url) => {
    Object.assign(globalThis, { latchkey: client.createLatchkey({ url }) });
    latchkey.subscribe(() => {});
  }, url);
}

/** A proxy on http://localhost in front of an app, which can hold the answer to a request. */
export async function startGateway(app: () => { address: string }) {
  /** The fields that were asked for. */
  const fields: string[] = [];
  let held: { field: string; arrived: () => void; released: Promise<void> } | undefined;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const field = /{\s*(\w+)/.exec(body.length > 0 ? JSON.parse(body.toString()).query : "")?.[1];
    if (field !== undefined) fields.push(field);
    const { method, headers } = request;
    const passOn = sendRequest(new URL(request.url!, app().address), { method, headers }, async (answer) => {
      if (held && field === held.field) {
        const { arrived, released } = held;
        held = undefined;
        arrived();
        await released;
      }
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    passOn.on("error", () => response.destroy());
    passOn.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closeWithFile(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/graphql`,
    /** The first field of each operation since the last call. */
    fields: () => fields.splice(0),
    /** Holds the answer to the next request for a field. */
    hold(field: string) {
      const { promise: answered, resolve: arrived } = Promise.withResolvers<void>();
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      held = { field, arrived, released };
      return { answered, release };
    },
  };
}
