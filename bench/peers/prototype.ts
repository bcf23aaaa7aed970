import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import { ApolloServer, HeaderMap } from "@apollo/server";
import type { Context } from "./shared/bearer.ts";
import { sqlite, type UserRow, userOfSession } from "./shared/database.ts";
import { PORT, SECRET } from "./shared/settings.ts";
import { createSchema } from "./shared/type-graphql-schema.ts";

const { sql } = userOfSession("", 0).compile();
const userRead = sqlite.prepare<[string, number], UserRow>(sql);

/** HS256 (RFC 7515), checked on this thread. */
function claimsOf(token: string): { sid: string; exp: number } | undefined {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const expected = createHmac("sha256", SECRET).update(`${header}.${payload}`).digest();
  const given = Buffer.from(signature, "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const { alg } = JSON.parse(Buffer.from(header, "base64url").toString());
  return alg === "HS256" ? JSON.parse(Buffer.from(payload, "base64url").toString()) : undefined;
}

function contextOf({ headers: { authorization } }: IncomingMessage): Context {
  if (!authorization?.startsWith("Bearer ")) return { user: undefined };
  const claims = claimsOf(authorization.slice("Bearer ".length));
  const now = Date.now();
  if (claims === undefined || claims.exp * 1000 <= now) return { user: undefined };
  return { user: userRead.get(claims.sid, now) };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

const apollo = new ApolloServer<Context>({ schema: await createSchema() });
await apollo.start();

createServer(async (request, response) => {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value));
  const answer = await apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: { method: "POST", headers, search: "", body: await bodyOf(request) },
    context: async () => contextOf(request),
  });
  const body = answer.body.kind === "complete" ? answer.body.string : "";
  response.writeHead(answer.status ?? 200, Object.fromEntries(answer.headers)).end(body);
}).listen(PORT, "127.0.0.1");
