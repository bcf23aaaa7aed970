import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";

const NUMBERS = Array.from({ length: 72 }, (_, n) => n + 1);

/** The lines of the table in docs/checklist.md: the row's number, its text, and the tests it names. */
const lines = readFileSync("docs/checklist.md", "utf8")
  .split("\n")
  .filter((line) => /^\| *\d/.test(line))
  .map((line) => {
    const [number, behaviour, standards, heldBy, ...rest] = line.slice(1, -1).split(" | ");
    const files = [...(heldBy ?? "").matchAll(/`([\w/-]+\.test\.ts)`/g)].map(([, file]) => file!);
    return { number: Number(number), cells: [behaviour, standards, heldBy], rest, files };
  });

/** The rows a text names: "(row 3)", "(rows 3, 5 to 7)". */
function rowsIn(text: string): number[] {
  return [...text.matchAll(/\(rows? (\d[^)]*)\)/g)].flatMap(([, list]) =>
    list!.split(", ").flatMap((part) => {
      const [first = Number.NaN, last = first] = part.split(" to ").map(Number);
      return first < last ? Array.from({ length: last - first + 1 }, (_, n) => first + n) : [first];
    }),
  );
}

/** The rows that each test file names. */
const named = new Map(
  readdirSync("test", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts") && file !== "checklist.test.ts")
    .map((file) => [file, new Set(rowsIn(readFileSync(`test/${file}`, "utf8")))]),
);

test("the checklist has one line per row, in order, and tests name only those rows", () => {
  expect(lines.map(({ number }) => number)).toEqual(NUMBERS);
  for (const { number, cells, rest } of lines) {
    expect([number, cells.every((cell) => cell?.trim()), rest]).toEqual([number, true, []]);
  }
  for (const [file, rows] of named) {
    expect([file, [...rows].filter((row) => !NUMBERS.includes(row))]).toEqual([file, []]);
  }
});

test.each(lines.map((line) => [line.number, line] as const))(
  "row %i is named by exactly the tests on its line, or its line says why no test names it",
  (number, { files, cells }) => {
    const naming = [...named].filter(([, rows]) => rows.has(number)).map(([file]) => file);
    expect([...files].sort()).toEqual(naming.sort());
    if (files.length === 0) expect(cells[2]).toMatch(/^\*\*Does not apply\*\*: \w/);
  },
);
