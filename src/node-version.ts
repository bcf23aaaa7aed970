import { readFileSync } from "node:fs";

/**
 * Ends the process with code 1 and a line that says why when this Node is older than package.json's `engines` asks for.
 * Loaded before everything else, most of which such a Node cannot even load: so this file and whoever imports it
 * use nothing that Node 16 lacks.
 */
export function requireSupportedNode(): void {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const needed = (JSON.parse(manifest) as { engines: { node: string } }).engines.node.replace(">=", "");
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [neededMajor = 0, neededMinor = 0] = needed.split(".").map(Number);
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return;
  process.stderr.write(`latchkey: Node ${process.versions.node} is too old: ${needed} or later is needed\n`);
  process.exit(1);
}
