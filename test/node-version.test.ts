import { cpSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { startProgram } from "./support/program.js";

/** Runs an entry on a Node that claims this version, with only the files that may load on any Node. */
async function startOn(version: string, entry: string) {
  const cwd = mkdtempSync(join(tmpdir(), "latchkey-"));
  mkdirSync(join(cwd, "dist"));
  for (const file of ["package.json", "dist/node-version.js", `dist/${entry}.js`])
    cpSync(file, join(cwd, file));
  const fake = `Object.defineProperty(process, "versions", { value: { node: "${version}" } })`;
  const args = ["--import", `data:text/javascript,${encodeURIComponent(fake)}`, `dist/${entry}.js`];
  const { code, stderr } = await startProgram(process.execPath, args, { cwd }).ended;
  return { code, stderr: stderr.includes("ERR_MODULE_NOT_FOUND") ? "went on" : stderr };
}

test.each(["main", "cli"])(
  "%s reports that Node is too old before it loads anything that requires a newer one",
  async (entry) => {
    const old = ["16.20.2", "18.20.8", "20.20.2", "22.13.1"];
    expect(await Promise.all(old.map((version) => startOn(version, entry)))).toEqual(
      old.map((version) => ({
        code: 1,
        stderr: `latchkey: Node ${version} is too old: version 22.14 or later is required\n`,
      })),
    );
    const good = ["22.14.0", "23.0.0", "24.21.0"];
    expect(await Promise.all(good.map((version) => startOn(version, entry)))).toEqual(
      good.map(() => ({ code: 1, stderr: "went on" })),
    );
  },
);
