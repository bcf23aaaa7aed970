import { readFileSync } from "node:fs";

/**
 * Exits with code 1 and a message when this Node is older than `engines` in package.json requires. It must load before
 * everything else, most of which an old Node cannot parse: this file and its importers use nothing that Node 16 lacks.
 */
export function requireSupportedNode(): void {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const needed = (JSON.parse(manifest) as { engines: { node: string } }).engines.node.replace(">=", "");
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [neededMajor = 0, neededMinor = 0] = needed.split(".").map(Number);
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return;
  process.stderr.write(
    `latchkey: Node ${process.versions.node} is too old: version ${needed} or later is required\n`,
  );
  process.exit(1);
}
