import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import * as graphiql from "@graphql-yoga/render-graphiql/graphiql";
import { buildSync } from "esbuild";
import { readOperations } from "./operations.ts";

// Builds the page of `GET /explorer` into dist/explorer/: GraphiQL as its distribution ships it, and our page around it.
// The server sends the assets compressed, under names that change with their content.

const OUT = "dist/explorer";
const ASSETS = `${OUT}/assets`;

/** The compressed assets by file name. */
const assets = new Map<string, Buffer>();

/** @returns the path that the page loads it from: relative, as a proxy may serve the API below a path */
function addAsset(name: string, content: string): string {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 16);
  const file = name.replace(".", `-${hash}.`);
  assets.set(`${file}.gz`, gzipSync(content, { level: 9 }));
  return `explorer/assets/${file}`;
}

/** @returns the bundle of a script or style sheet */
function bundle(entryPoint: string, define: Record<string, unknown> = {}): string {
  const { outputFiles } = buildSync({
    entryPoints: [entryPoint],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2022",
    define: Object.fromEntries(Object.entries(define).map(([name, value]) => [name, JSON.stringify(value)])),
  });
  return outputFiles[0]!.text;
}

const urls = {
  GRAPHIQL_CSS: addAsset("graphiql.css", graphiql.css),
  GRAPHIQL_JS: addAsset("graphiql.js", graphiql.js),
  EDITOR_WORKER: addAsset("editor-worker.js", graphiql.editorWorkerService),
  GRAPHQL_WORKER: addAsset("graphql-worker.js", graphiql.graphqlWorker),
  JSON_WORKER: addAsset("json-worker.js", graphiql.jsonWorker),
  ICON: addAsset("icon.svg", readFileSync("explorer/icon.svg", "utf8")),
  PAGE_CSS: addAsset("page.css", bundle("explorer/src/page.css")),
};
const PAGE_JS = addAsset(
  "page.js",
  bundle("explorer/src/page.ts", { ...urls, OPERATIONS: readOperations() }),
);
const html = readFileSync("explorer/index.html", "utf8").replaceAll(
  /\{\{(\w+)\}\}/g,
  (_, name: string) => ({ ...urls, PAGE_JS })[name]!,
);

mkdirSync(ASSETS, { recursive: true });
// A server that runs meanwhile goes on with what has not changed.
const existing = new Set(readdirSync(ASSETS));
for (const [file, content] of assets) if (!existing.has(file)) writeFileSync(`${ASSETS}/${file}`, content);
for (const file of existing) if (!assets.has(file)) rmSync(`${ASSETS}/${file}`);
writeFileSync(`${OUT}/index.html`, html);
