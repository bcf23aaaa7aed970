import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** Where `explorer/build.ts` writes the page, seen from src/ as well as from dist/. */
const BUILD = new URL("../../../dist/explorer/", import.meta.url);

// The editor creates style elements and attributes, and its fonts are in its style sheet. Nothing else is inline.
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src data:",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join(";");

const TYPES: Record<string, string> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Serves a page at `/explorer` to sign in and run operations. It loads nothing from elsewhere. */
export async function addExplorer(server: FastifyInstance): Promise<void> {
  const { page, assets } = readBuild();
  server.get("/explorer", { config: { cors: false } }, async (_request, reply) =>
    reply.header("content-security-policy", CONTENT_POLICY).type("text/html; charset=utf-8").send(page),
  );
  server.get<{ Params: { file: string } }>(
    "/explorer/assets/:file",
    { config: { cors: false } },
    async (request, reply) => {
      const { file } = request.params;
      // Only a name that was there at the start is ever joined to a path.
      if (!assets.has(file)) return reply.callNotFound();
      const compressed = await readFile(new URL(`assets/${file}.gz`, BUILD));
      // The name changes with the content.
      reply.header("cache-control", "public, max-age=31536000, immutable").type(TYPES[extname(file)]!);
      return sendCompressed(compressed, request, reply);
    },
  );
}

/** @throws when the page has not been built */
function readBuild(): { page: string; assets: ReadonlySet<string> } {
  try {
    const files = readdirSync(new URL("assets/", BUILD));
    return {
      page: readFileSync(new URL("index.html", BUILD), "utf8"),
      assets: new Set(files.map((file) => file.replace(/\.gz$/, ""))),
    };
  } catch (cause) {
    throw new Error("The explorer has not been built: run `npm run build`, or set EXPLORER=off.", { cause });
  }
}

/** Sends gzip to clients that accept it, as every browser does. */
function sendCompressed(compressed: Buffer, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.header("vary", "accept-encoding");
  if (/\bgzip\b/.test(`${headers["accept-encoding"]}`)) {
    return reply.header("content-encoding", "gzip").send(compressed);
  }
  return reply.send(Readable.from([compressed]).pipe(createGunzip()));
}
