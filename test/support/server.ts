import { type TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import { type Answer, headersOf, type RequestOptions, SECRET_KEY } from "./app.js";
import { type ProgramOptions, startBuilt } from "./program.js";

export type Server = Awaited<ReturnType<typeof startServer>>;

/** Starts the built server as a process, on a free port, with the same secret as makeApp(). */
export async function startServer(databaseUrl: string, env: ProgramOptions["env"] = {}) {
  const program = startBuilt("main", [], {
    env: {
      DATABASE_URL: databaseUrl,
      HOST: "127.0.0.1",
      PORT: "0",
      SECRET_KEY,
      TRUST_PROXY: "loopback",
      ...env,
    },
  });
  const address = (await program.printed(/Server listening at (http:[^"]+)"/))[1]!;
  return {
    address,
    program,
    async send<Data, Variables>(
      document: TypedDocumentNode<Data, Variables>,
      variables: Variables,
      { timeout, ...options }: RequestOptions & { timeout?: number } = {},
    ): Promise<Answer<Data>> {
      const response = await fetch(`${address}/graphql`, {
        method: "POST",
        headers: headersOf(options),
        body: JSON.stringify({ query: print(document), variables }),
        ...(timeout !== undefined && { signal: AbortSignal.timeout(timeout) }),
      });
      const text = await response.text();
      return { ...JSON.parse(text), status: response.status, headers: response.headers, text };
    },
    async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
      program.child.kill(signal);
      await program.ended;
    },
  };
}
