import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "@jest/globals";

const PACKAGE = readFileSync("packages/client/README.md", "utf8");
const PROJECT = readFileSync("README.md", "utf8");
const SERVICES = readFileSync("docs/other-services.md", "utf8");

test("the snippets of the documentation compile in strict mode", () => {
  const directory = mkdtempSync(join(tmpdir(), "snippets-"));
  symlinkSync(resolve("node_modules"), join(directory, "node_modules"));
  writeFileSync(join(directory, "package.json"), `{ "type": "module" }`);
  const snippets = [
    ...`${PACKAGE}${PROJECT}${SERVICES}`.matchAll(/```(tsx?)\n(?:\/\/ ([\w.-]+)\n)?([\s\S]*?)```/g),
  ];
  expect(snippets.length).toBeGreaterThan(10);
  for (const [index, [, extension, name, code]] of snippets.entries())
    writeFileSync(join(directory, name ?? `snippet-${index}.${extension}`), code!);
  const options = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noUnusedLocals: true,
    target: "es2022",
    module: "nodenext",
    lib: ["es2023", "dom", "dom.iterable"],
    jsx: "react-jsx",
    types: ["node"],
    // Of other packages.
    skipLibCheck: true,
    noEmit: true,
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions: options }));
  const { stdout, status } = spawnSync(resolve("node_modules/.bin/tsc"), ["-p", directory], {
    encoding: "utf8",
  });
  expect([stdout, status]).toEqual(["", 0]);
});
