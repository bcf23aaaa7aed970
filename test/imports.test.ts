import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "@jest/globals";

const SRC = resolve("src");

/** What each floor of the house may import besides itself: data comes in at the top and falls down. */
const FLOORS: Record<string, string[]> = {
  http: ["graphql", "services", "storage", "crypto", "mail"],
  graphql: ["services", "storage", "crypto", "mail"],
  services: ["storage", "crypto", "mail"],
  storage: [],
  crypto: [],
  mail: [],
};
/** Files at the top that any floor may import; the others there join everything and are imported by none. */
const SHARED = ["errors.ts", "config.ts", "clock.ts", "metrics.ts", "process-metrics.ts"];

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

function importsOf(file: string): string[] {
  const source = readFileSync(join(SRC, file), "utf8");
  return [...source.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, path]) =>
    relative(SRC, resolve(SRC, dirname(file), path!)).replace(/\.js$/, ".ts"),
  );
}

describe("the house", () => {
  test.each(files.filter((file) => dirname(file) in FLOORS))("%s imports nothing from above", (file) => {
    const floor = dirname(file);
    const forbidden = importsOf(file).filter((imported) => {
      const to = dirname(imported);
      return to === "." ? !SHARED.includes(imported) : to !== floor && !FLOORS[floor]!.includes(to);
    });
    expect(forbidden).toEqual([]);
  });

  test.each(SHARED)("%s imports no floor", (file) => {
    expect(importsOf(file).filter((imported) => !SHARED.includes(imported))).toEqual([]);
  });

  test("every file has its place", () => {
    const folders = new Set(files.map((file) => dirname(file)));
    expect([...folders].filter((folder) => !(folder in FLOORS) && ![".", "cli"].includes(folder))).toEqual(
      [],
    );
  });

  test("only config.ts reads the environment", () => {
    const readers = files.filter((file) =>
      /process\.env|loadEnvFile/.test(readFileSync(join(SRC, file), "utf8")),
    );
    expect(readers).toEqual(["config.ts"]);
  });
});
