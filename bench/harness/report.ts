import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import type { Options } from "./options.ts";
import type { Finding, Section } from "./section.ts";

const COMPARED = [
  "@apollo/server",
  "@as-integrations/express5",
  "better-auth",
  "better-sqlite3",
  "express",
  "fastify",
  "graphql",
  "graphql-yoga",
  "jose",
  "kysely",
  "mercurius",
  "type-graphql",
];

const [busyAtStart = Number.NaN] = loadavg();

function reached({ value, goal }: Finding): boolean {
  return "least" in goal ? value >= goal.least : value <= goal.most;
}

function goalText({ goal, unit }: Finding): string {
  return "least" in goal ? `≥ ${goal.least}${unit}` : `≤ ${goal.most}${unit}`;
}

function valueText({ value, unit }: Finding): string {
  return `${unit === " MB" ? value : value.toFixed(2)}${unit}`;
}

function markdownTable(columns: string[], rows: string[][]): string[] {
  const widths = columns.map((_, n) =>
    Math.max(...[columns, ...rows].map((row) => (row[n] ?? "").length), 3),
  );
  const line = (cells: string[]) => `| ${cells.map((cell, n) => cell.padEnd(widths[n]!)).join(" | ")} |`;
  return [line(columns), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}

/** The ratios with their goals. */
export function goalsTable(sections: Section[]): string {
  const rows = sections
    .flatMap(({ findings }) => findings)
    .map((finding) => [
      finding.measure,
      valueText(finding),
      goalText(finding),
      reached(finding) ? "reached" : "missed",
    ]);
  return markdownTable(["measure", "figure", "goal", ""], rows).join("\n");
}

export function sectionText({ title, columns, table, notes }: Section): string {
  const lines = [`## ${title}`, ""];
  if (table.length > 0) lines.push(...markdownTable(columns, table), "");
  for (const note of notes) lines.push(note, "");
  return lines.join("\n");
}

const output = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: "utf8" }).trim();

function versions(): string {
  const { packages } = JSON.parse(readFileSync("bench/package-lock.json", "utf8"));
  const npm = COMPARED.map((name) => `${name} ${packages[`node_modules/${name}`].version}`);
  return [`Node ${process.versions.node}`, ...npm, ...debianVersions()].join(", ");
}

function debianVersions(): string[] {
  try {
    const names = ["python3-fastapi", "python3-uvicorn", "python3-jose"];
    return output("dpkg-query", "-W", "-f", `\${Package} \${Version}\n`, ...names).split("\n");
  } catch {
    return [];
  }
}

/** The section of README.md that says how the peers differ. */
function peersSection(): string {
  const readme = readFileSync("bench/README.md", "utf8");
  const start = readme.indexOf("## Peers");
  return readme.slice(start, readme.indexOf("\n## ", start));
}

/** Everything that bench/RESULTS.md says. */
export function resultsDocument(sections: Section[], { rounds, seconds, base, large }: Options): string {
  const commit = output("git", "rev-parse", "--short", "HEAD");
  const changed = output("git", "status", "--porcelain", "--", "src") === "" ? "" : " with changes";
  const { model } = cpus()[0]!;
  const gigabytes = Math.round(totalmem() / 1024 ** 3);
  const length = `${rounds} × ${seconds} s for each contestant, after a warm-up of ${seconds} s`;
  return [
    "# Results",
    "",
    "Written by `npm run bench:compare`; `bench/README.md` says how the figures come about.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Latchkey: commit ${commit}${changed}${base ? `; the base commit is ${base}` : ""}`,
    `- Machine: ${cpus().length} cores (${model}), ${gigabytes} GiB of memory, Linux ${release()}`,
    `- Load average when the run began: ${busyAtStart.toFixed(2)}; a quiet machine has less than 0.5`,
    `- Versions: ${versions()}`,
    `- Length: ${length}${large ? ", with --large" : ""}. Figures are medians.`,
    "",
    goalsTable(sections),
    "",
    ...sections.map(sectionText),
    peersSection(),
  ].join("\n");
}
