import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, readFileSync, statSync, writeFileSync } from "node:fs";

// Builds what a single test file needs, if it is missing or out of date: dist/ for tests that start the program, the
// packages, and the typed documents of the tests and the examples, which the compiler needs too.
const DOCUMENTS_HASH = "test/gql/.documents-hash";

const sources = globSync("src/**/*.ts");
if (
  isOutdated("dist/.tsbuildinfo", sources) ||
  isOutdated("packages/client/dist/.tsbuildinfo", globSync("packages/client/src/**/*.ts")) ||
  isOutdated("dist/explorer/index.html", globSync(["explorer/**/*.*", "packages/client/src/**/*.ts"]))
)
  run("build");

const hash = hashOfDocuments();
if (hash !== storedHash()) {
  run("codegen");
  writeFileSync(DOCUMENTS_HASH, hash);
}

function isOutdated(output: string, files: string[]): boolean {
  const builtAt = statSync(output, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return files.some((file) => statSync(file).mtimeMs > builtAt);
}

/** Runs a script of package.json. When it fails, it has said why. */
function run(script: string): void {
  const { status } = spawnSync("npm", ["run", "--silent", script], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

/** A hash that changes with the documents of the tests and with every file that the schema is built from. */
function hashOfDocuments(): string {
  const documents = globSync(["test/**/*.ts", "bench/**/*.ts", "examples/**/*.{ts,tsx}"], {
    exclude: ["test/gql/**", "**/node_modules/**", "examples/*/src/gql/**"],
  })
    .flatMap((file) => readFileSync(file, "utf8").match(/graphql\(\s*`[^`]*`/g) ?? [])
    .sort();
  const schema = sources
    .filter((file) => file.startsWith("src/graphql/"))
    .concat("schema.graphql", globSync("examples/*/service/schema.graphql"))
    .map((file) => readFileSync(file, "utf8"));
  return createHash("sha256")
    .update(JSON.stringify([documents, schema]))
    .digest("hex");
}

function storedHash(): string | undefined {
  try {
    return readFileSync(DOCUMENTS_HASH, "utf8");
  } catch {
    return undefined;
  }
}
