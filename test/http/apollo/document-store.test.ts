import { afterEach, describe, expect, test } from "@jest/globals";
import { parse } from "graphql";
import { DocumentStore } from "../../../src/http/apollo/document-store.js";
import { emptyDatabaseUrl } from "../../support/databases.js";
import { type Program, startBuilt } from "../../support/program.js";

const fields = (count: number, n: number) => `query q${n}{me{${"id ".repeat(count)}}}`;

describe("the store of parsed documents (row 61)", () => {
  test("is bounded by its memory, and evicts the least recently used", async () => {
    const one = new DocumentStore(1_000_000);
    await one.set("0", parse(fields(100, 0)));
    // Measured: 54,000 bytes. As JSON it has 15,000.
    expect(one.bytes).toBeGreaterThan(54_000);
    expect(one.bytes).toBeLessThan(80_000);

    const store = new DocumentStore(3 * one.bytes);
    for (let n = 0; n < 3; n++) await store.set(String(n), parse(fields(100, n)));
    const first = await store.get("0");
    expect(first).toMatchObject({ kind: "Document" });
    for (let n = 3; n < 5; n++) await store.set(String(n), parse(fields(100, n)));
    const kept = await Promise.all(["0", "1", "2", "3", "4"].map((key) => store.get(key)));
    expect(kept.map((document) => document !== undefined)).toEqual([true, false, false, true, true]);
    expect(kept[0]).toBe(first);
    expect(store.bytes).toBe(3 * one.bytes);
    await store.set("4", parse(fields(100, 4)));
    expect(store.bytes).toBe(3 * one.bytes);
    await store.delete("4");
    expect(store.bytes).toBe(2 * one.bytes);
  });

  // Measured: a comment takes 90 bytes and an escape 34. Neither is in the document as JSON, or counts as a token.
  test.each([
    ["comments", `{me{id}}${"#\n".repeat(30_000)}`, 2_700_000],
    ["one comment", `{me{id}}#${"é→".repeat(10_000)}`, 40_000],
    ["escapes", `{user(id:"${"\\n".repeat(30_000)}"){id}}`, 1_030_000],
    ["aliases", `{me{${Array.from({ length: 50 }, (_, n) => `a${n}:id`).join(" ")}}}`, 46_000],
  ])("counts %s", async (_what, text, measured) => {
    const store = new DocumentStore(100_000_000);
    await store.set("0", parse(text));
    expect(store.bytes).toBeGreaterThan(measured);
    const small = new DocumentStore(measured);
    await small.set("0", parse(text));
    expect([small.bytes, await small.get("0")]).toEqual([0, undefined]);
  });

  let program: Program | undefined;
  afterEach(() => {
    program?.child.kill("SIGKILL");
  });

  test("does not exhaust a heap of 64 MB", async () => {
    const env = { DATABASE_URL: await emptyDatabaseUrl("sqlite"), HOST: "127.0.0.1", PORT: "0" };
    program = startBuilt("main", [], { env: { ...env, NODE_OPTIONS: "--max-old-space-size=64" } });
    const address = (await program.printed(/Server listening at (http:[^"]+)"/))[1]!;
    const statuses = new Set<number>();
    for (let n = 0; n < 40; n++) {
      const query = `query q${n}{me{id}}${"#\n".repeat(20_000)}`;
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${address}/graphql`, {
        method: "POST",
        headers,
        body: JSON.stringify({ query }),
      });
      await response.text();
      statuses.add(response.status);
    }
    expect([...statuses]).toEqual([401]);
    program.child.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0, stderr: "" });
  });
});
