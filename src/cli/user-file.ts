import { isUtf8 } from "node:buffer";
import { createReadStream, type ReadStream } from "node:fs";
import { extname } from "node:path";
import { parse } from "csv-parse/sync";
import { LatchkeyError } from "../errors.js";
import type { ImportLine } from "../services/accounts/user-import.js";

/** The longest line, in bytes: many times what a user takes, and little to hold in memory. */
const MAX_LINE = 65_536;
const LF = 10;
const CR = 13;

type ParsedLine = { record: Record<string, unknown> } | { unreadable: string };

/**
 * Reads users from a file, one per line: CSV with a header (`.csv`), or JSON objects (`.jsonl`, `.ndjson`).
 * Fields: username, email, password_hash, full_name, disabled.
 * @throws BAD_USER_INPUT for another kind of file, and while reading a CSV without the required columns
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
  for await (const { line, bytes } of readLines(source)) {
    if (bytes === undefined) {
      yield { line, unreadable: "This line is longer than 64 KB." };
    } else if (!isUtf8(bytes)) {
      yield { line, unreadable: "This line is not valid UTF-8." };
    } else {
      // The first line may begin with a byte order mark.
      const text = bytes.toString().replace(/^\uFEFF/, "");
      const parsed = text.trim() === "" ? undefined : parseLine(text);
      if (parsed !== undefined) yield { line, ...parsed };
    }
  }
}

/**
 * Yields the lines, which end in LF, CRLF or CR; `bytes` is undefined for one that is too long. node:readline would not
 * do: it also ends a line at U+2028, which a name may contain, and buffers a line of any length.
 */
async function* readLines(
  source: AsyncIterable<Buffer>,
): AsyncGenerator<{ line: number; bytes: Buffer | undefined }> {
  let pieces: Buffer[] = [];
  let length = 0;
  const add = (piece: Buffer) => {
    length += piece.length;
    if (length <= MAX_LINE) pieces.push(piece);
  };
  const take = () => {
    const bytes = length <= MAX_LINE ? Buffer.concat(pieces) : undefined;
    pieces = [];
    length = 0;
    return bytes;
  };
  let line = 1;
  let afterCr = false;
  for await (const chunk of source) {
    let start = 0;
    for (let end = 0; end < chunk.length; end++) {
      const byte = chunk[end];
      if (byte === LF && afterCr) {
        start = end + 1;
      } else if (byte === LF || byte === CR) {
        add(chunk.subarray(start, end));
        yield { line: line++, bytes: take() };
        start = end + 1;
      }
      afterCr = byte === CR;
    }
    add(chunk.subarray(start));
  }
  yield { line, bytes: take() };
}

/** Returns a parser of one line after another; it returns undefined for the header. */
function csvParser(): (text: string) => ParsedLine | undefined {
  let columns: string[] | undefined;
  return (text) => {
    const fields = parseCsvLine(text);
    if (columns === undefined) {
      columns = fields;
      const known = withKnownNames(toRecord(columns, columns));
      if (known["username"] && known["email"] && known["password_hash"]) return undefined;
      throw unusable("The first line must name the columns, at least username,email,password_hash.");
    }
    if (fields.length === columns.length) return { record: withKnownNames(toRecord(columns, fields)) };
    return { unreadable: "This line is not valid CSV, or does not have the columns of the first line." };
  };
}

/** Parses one line by itself: in a whole file, an unclosed quote would swallow the valid lines after it. */
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
    // The parser's message quotes the line, which holds a password hash.
  }
  return { unreadable: "This line is not a JSON object." };
}

/** FastAPI's tutorial names the hash `hashed_password`. */
function withKnownNames(record: Record<string, unknown>): Record<string, unknown> {
  return { ...record, password_hash: record["password_hash"] ?? record["hashed_password"] };
}

function unusable(message: string): LatchkeyError<"BAD_USER_INPUT"> {
  return new LatchkeyError("BAD_USER_INPUT", message, { violations: [] });
}
