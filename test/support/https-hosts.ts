import { type IncomingHttpHeaders, request as sendRequest } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { generate } from "selfsigned";
import { closeWithFile } from "./opened.ts";

/** A request that reached the API. */
export interface Arrived {
  method: string;
  headers: IncomingHttpHeaders;
}

/**
 * Serves one host name over https from an app on this machine, and an empty page on every other name.
 * @param app the app's address
 * @returns Chromium's arguments that lead every name here, and the requests that reached the app
 */
export async function serveHosts(apiHost: string, app: string) {
  const { private: key, cert } = await generate(undefined, { keyType: "ec" });
  const arrived: Arrived[] = [];
  const server = createServer({ key, cert }, (request, response) => {
    const { method = "", url, headers } = request;
    if (headers.host !== apiHost) {
      response.setHeader("content-type", "text/html").end("<!doctype html><title>A page</title>");
      return;
    }
    arrived.push({ method, headers });
    const passOn = sendRequest(new URL(url!, app), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    passOn.on("error", () => response.destroy());
    request.pipe(passOn);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closeWithFile(async () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    browserArguments: [`--host-resolver-rules=MAP * 127.0.0.1:${port}`, "--ignore-certificate-errors"],
    arrived,
  };
}
