import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "@jest/globals";

const SRC = resolve("src");

/** The floors that each floor may import besides itself: requests go down, and nothing calls back up. */
const FLOORS: Record<string, string[]> = {
  http: ["graphql", "services", "storage", "crypto", "email"],
  graphql: ["services", "storage", "crypto", "email"],
  services: ["storage", "crypto", "email"],
  storage: [],
  crypto: [],
  email: [],
};
const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** Files that any floor may import: those of `config/` through `config.ts`. The others at the top join everything, and no floor imports them. */
const SHARED = [
  ...["errors.ts", "config.ts", "clock.ts", "metrics.ts", "process-metrics.ts"],
  ...files.filter((file) => file.startsWith("config/")),
];

function importsOf(file: string): string[] {
  const source = readFileSync(join(SRC, file), "utf8");
  return [...source.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, path]) =>
    relative(SRC, resolve(SRC, dirname(file), path!)).replace(/\.js$/, ".ts"),
  );
}

/** The first folder of a path; "." for a file at the top. */
const floorOf = (file: string) => (file.includes("/") ? file.slice(0, file.indexOf("/")) : ".");

describe("the house", () => {
  test.each(files.filter((file) => floorOf(file) in FLOORS))(
    "%s imports only what its floor may (CONTRIBUTING.md, The house)",
    (file) => {
      const floor = floorOf(file);
      const forbidden = importsOf(file).filter((imported) => {
        const to = floorOf(imported);
        return to === "." ? !SHARED.includes(imported) : to !== floor && !FLOORS[floor]!.includes(to);
      });
      expect(forbidden).toEqual([]);
    },
  );

  test.each(SHARED)("%s imports no floor", (file) => {
    expect(importsOf(file).filter((imported) => !SHARED.includes(imported))).toEqual([]);
  });

  test("every file is on a floor or shared", () => {
    const floors = new Set(files.map(floorOf));
    expect(
      [...floors].filter((floor) => !(floor in FLOORS) && ![".", "cli", "compose", "config"].includes(floor)),
    ).toEqual([]);
  });

  test("folders of services form no cycle", () => {
    const imports = new Map<string, Set<string>>();
    for (const file of files.filter((file) => /^services\/.+\//.test(file))) {
      const targets = imports.get(dirname(file)) ?? new Set();
      imports.set(dirname(file), targets);
      for (const imported of importsOf(file))
        if (/^services\/.+\//.test(imported) && dirname(imported) !== dirname(file))
          targets.add(dirname(imported));
    }
    // Folders that import only folders already removed are removed; what remains is a cycle or imports one.
    for (let removed = true; removed; ) {
      removed = false;
      for (const [folder, targets] of imports) {
        if ([...targets].some((target) => imports.has(target))) continue;
        imports.delete(folder);
        removed = true;
      }
    }
    expect([...imports.keys()]).toEqual([]);
  });

  test("only config.ts reads the environment", () => {
    const readers = files.filter((file) =>
      /process\.env|loadEnvFile/.test(readFileSync(join(SRC, file), "utf8")),
    );
    expect(readers).toEqual(["config.ts"]);
  });
});
