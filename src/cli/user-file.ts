import { createReadStream, type ReadStream } from "node:fs";
import { extname } from "node:path";
import { parse } from "csv-parse/sync";
import { LatchkeyError } from "../errors.js";
import type { ImportLine } from "../services/user-import.js";

type ParsedLine = { record: Record<string, unknown> } | { unreadable: string };

/**
 * Reads users from a file, one a line: CSV whose first line names the columns (`.csv`), or JSON objects
 * (`.jsonl`, `.ndjson`). Fields: username, email, password_hash, full_name, disabled.
 * @throws BAD_USER_INPUT for another kind of file, and while reading for a CSV without those columns
 */
export function openUserFile(file: string): { source: ReadStream; lines: AsyncIterable<ImportLine> } {
  const parser = { ".csv": csvParser, ".jsonl": () => parseJsonLine, ".ndjson": () => parseJsonLine }[
    extname(file).toLowerCase()
  ];
  if (parser === undefined) throw unusable("The file must be .csv, .jsonl or .ndjson.");
  const source = createReadStream(file);
  return { source, lines: readUsers(source, parser()) };
}

async function* readUsers(
  source: ReadStream,
  parseLine: (text: string) => ParsedLine | undefined,
): AsyncGenerator<ImportLine> {
  for await (const { line, text } of readLines(source)) {
    const parsed = text.includes("\uFFFD") ? { unreadable: "This line is not UTF-8." } : parseLine(text);
    if (parsed !== undefined) yield { line, ...parsed };
  }
}

/** The lines that are not blank. Not by node:readline, to which U+2028 inside a name ends a line too. */
async function* readLines(source: ReadStream): AsyncGenerator<{ line: number; text: string }> {
  // Drops a byte order mark as well.
  const decoder = new TextDecoder();
  let line = 0;
  let rest = "";
  for await (const chunk of source) {
    const texts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = texts.pop() ?? "";
    for (const text of texts) {
      line++;
      if (text.trim() !== "") yield { line, text };
    }
  }
  if (rest.trim() !== "") yield { line: line + 1, text: rest };
}

/** Answers undefined for the first line, which names the columns. */
function csvParser(): (text: string) => ParsedLine | undefined {
  let columns: string[] | undefined;
  return (text) => {
    const fields = parseCsvLine(text);
    if (columns === undefined) {
      columns = fields;
      const known = withKnownNames(toRecord(columns, columns));
      if (known["username"] && known["email"] && known["password_hash"]) return undefined;
      throw unusable("The first line must name the columns: username,email,password_hash at least.");
    }
    if (fields.length === columns.length) return { record: withKnownNames(toRecord(columns, fields)) };
    return { unreadable: "This line is not CSV with the columns of the first." };
  };
}

/** One line alone: in a whole file, a quote left open would take the good lines after it along. */
function parseCsvLine(text: string): string[] {
  try {
    return parse(text, { trim: true })[0] ?? [];
  } catch {
    return [];
  }
}

function toRecord(columns: string[], fields: string[]): Record<string, string | undefined> {
  return Object.fromEntries(columns.map((column, i) => [column, fields[i]]));
}

function parseJsonLine(text: string): ParsedLine {
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

function unusable(message: string): LatchkeyError<"BAD_USER_INPUT"> {
  return new LatchkeyError("BAD_USER_INPUT", message, { violations: [] });
}
