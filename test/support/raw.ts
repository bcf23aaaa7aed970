import { connect, type Socket } from "node:net";
import { keepSeen } from "./seen.js";

/** Sends these lines unchanged, and returns everything received until the connection ends. */
export function raw(
  address: string,
  lines: string[],
  then?: (socket: Socket) => Promise<void>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const { port, hostname } = new URL(address);
    let text = "";
    const socket = connect(Number(port), hostname, () => {
      socket.write(lines.join("\r\n"));
      then?.(socket).catch(reject);
    });
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket
      .on("end", () => {
        keepSeen(text);
        resolve(text);
      })
      .on("error", reject);
  });
}

/** Returns the lines of a POST with exactly these headers. */
export function rawPost(path: string, headers: string[], body: string): string[] {
  return [`POST ${path} HTTP/1.1`, ...headers, "", body];
}

/** Returns the lines of a POST of JSON to `/graphql` that closes its connection, with these additional headers. */
export function rawGraphQL(body: object, headers: string[]): string[] {
  const json = JSON.stringify(body);
  const length = `content-length: ${Buffer.byteLength(json)}`;
  const all = ["content-type: application/json", length, "connection: close", ...headers];
  return rawPost("/graphql", all, json);
}
