import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import { decodeJwt, SignJWT } from "jose";
import { SERVER_CORE } from "./cores.ts";
import { graphqlRequest, type HttpRequest, sendRequest } from "./http.ts";
import { copyDatabase, type Latchkey } from "./latchkey.ts";
import { type ServerProcess, startServerProcess } from "./processes.ts";
import type { Scope } from "./scope.ts";

const SECRET = "the secret key of the peers' tokens";

/** A server to compare with. */
export interface Peer {
  name: string;
  /** Undefined when it is not installed. */
  start(scope: Scope, database: PeerDatabase): Promise<RunningPeer | undefined>;
}

export interface RunningPeer extends ServerProcess {
  /** Makes a request for this document; servers without GraphQL answer who is signed in. */
  request(document: string): HttpRequest;
}

/** A copy of Latchkey's database, and who is signed in there. */
export interface PeerDatabase {
  file: string;
  userId: string;
  sessionId: string;
}

/** Copies the database of a Latchkey on SQLite in which the session of this access token lives. */
export function copyForPeers(scope: Scope, { file }: Latchkey, accessToken: string): PeerDatabase {
  const { sub, sid } = decodeJwt<{ sid: string }>(accessToken);
  return { file: copyDatabase(scope, file), userId: sub ?? "", sessionId: sid };
}

function nodeCommand(name: string, file: string) {
  return {
    command: process.execPath,
    args: [resolve(`bench/dist/${name}.js`)],
    env: { DATABASE_FILE: file, SECRET },
    cwd: resolve("bench"),
    cores: SERVER_CORE,
  };
}

function graphqlPeer(file: string, name: string): Peer {
  return {
    name,
    async start(scope, database) {
      const ping = {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query: "{ __typename }" }),
      };
      const server = await startServerProcess(scope, nodeCommand(file, database.file), "/graphql", ping);
      const token = await new SignJWT({ sid: database.sessionId })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject(database.userId)
        .setExpirationTime("1 day")
        .sign(new TextEncoder().encode(SECRET));
      const url = `${server.origin}/graphql`;
      const authorization = `Bearer ${token}`;
      return {
        ...server,
        request: (document) => graphqlRequest(url, document, { headers: { authorization } }),
      };
    },
  };
}

const fastapi: Peer = {
  name: "FastAPI's tutorial",
  async start(scope) {
    const python = "/usr/bin/python3";
    try {
      const modules = "import fastapi, uvicorn, jose, passlib, multipart";
      execFileSync(python, ["-c", modules], { stdio: "ignore" });
    } catch {
      return undefined;
    }
    const command = {
      command: python,
      args: ["-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "{PORT}", "--no-access-log"],
      env: { SECRET, PYTHONDONTWRITEBYTECODE: "1" },
      cwd: resolve("bench/peers/fastapi"),
      cores: SERVER_CORE,
    };
    const server = await startServerProcess(scope, command, "/openapi.json");
    const answer = await sendRequest({
      method: "POST",
      url: `${server.origin}/token`,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "username=johndoe&password=secret",
    });
    const authorization = `Bearer ${JSON.parse(answer.text).access_token}`;
    return {
      ...server,
      request: () => ({ method: "GET", url: `${server.origin}/users/me/`, headers: { authorization } }),
    };
  },
};

const betterAuth: Peer = {
  name: "better-auth get-session",
  async start(scope) {
    const file = join(scope.directory(), "better-auth.db");
    const server = await startServerProcess(scope, nodeCommand("better-auth", file), "/api/auth/ok");
    const signUp = await fetch(`${server.origin}/api/auth/sign-up/email`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: server.origin },
      body: JSON.stringify({ name: "John Doe", email: "johndoe@example.com", password: "a long password" }),
    });
    const cookie = signUp.headers.getSetCookie().map((line) => line.split(";", 1)[0]);
    const headers = { cookie: cookie.join("; ") };
    return {
      ...server,
      request: () => ({ method: "GET", url: `${server.origin}/api/auth/get-session`, headers }),
    };
  },
};

export const TUTORIAL = "tutorial stack";

/** README.md says how they differ. */
export const PEERS: Peer[] = [
  graphqlPeer("tutorial", TUTORIAL),
  graphqlPeer("apollo", "Apollo standalone"),
  graphqlPeer("yoga", "GraphQL Yoga"),
  graphqlPeer("mercurius", "Mercurius with JIT"),
  fastapi,
  betterAuth,
  graphqlPeer("prototype", "prototype"),
];
