import { createReadStream, type ReadStream } from "node:fs";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { type CsvError, parse } from "csv-parse";
import { LatchkeyError } from "../errors.js";
import type { ImportLine } from "../services/user-import.js";

/**
 * Reads users from a file, line by line: CSV whose first line names the columns (`.csv`), or one JSON
 * object a line (`.jsonl`, `.ndjson`). Fields: username, email, password_hash, full_name, disabled.
 * @throws BAD_USER_INPUT for another kind of file
 */
export function openUserFile(file: string): { source: ReadStream; lines: AsyncIterable<ImportLine> } {
  const readLines = { ".csv": readCsv, ".jsonl": readJsonLines, ".ndjson": readJsonLines }[
    extname(file).toLowerCase()
  ];
  if (readLines === undefined) {
    throw new LatchkeyError("BAD_USER_INPUT", "The file must be .csv, .jsonl or .ndjson.", {
      violations: [],
    });
  }
  const source = createReadStream(file);
  return { source, lines: readLines(source) };
}

async function* readCsv(source: ReadStream): AsyncGenerator<ImportLine> {
  const skipped: ImportLine[] = [];
  const records = source.pipe(
    parse({
      columns: true,
      bom: true,
      trim: true,
      info: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (error: CsvError | undefined) => {
        skipped.push({
          line: Number(error?.["lines"]),
          unreadable: "This line is not CSV with the columns of the first.",
        });
      },
    }),
  );
  source.on("error", (error) => records.destroy(error));
  for await (const { record, info } of records) {
    yield* skipped.splice(0);
    yield { line: info.lines, record: withKnownNames(record) };
  }
  yield* skipped;
}

async function* readJsonLines(source: ReadStream): AsyncGenerator<ImportLine> {
  let line = 0;
  for await (const text of createInterface({ input: source, crlfDelay: Number.POSITIVE_INFINITY })) {
    line++;
    if (text.trim() !== "") yield { line, ...parseJsonLine(text) };
  }
}

function parseJsonLine(text: string): { record: Record<string, unknown> } | { unreadable: string } {
  try {
    const record: unknown = JSON.parse(text);
    if (typeof record === "object" && record !== null && !Array.isArray(record)) {
      return { record: withKnownNames({ ...record }) };
    }
  } catch {
    // The parser's message quotes the line, which has a hash in it.
  }
  return { unreadable: "This line is not a JSON object." };
}

/** FastAPI's tutorial calls the hash `hashed_password`. */
function withKnownNames(record: Record<string, unknown>): Record<string, unknown> {
  return { ...record, password_hash: record["password_hash"] ?? record["hashed_password"] };
}
