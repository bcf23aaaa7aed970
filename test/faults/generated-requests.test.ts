import { describe, expect, test } from "@jest/globals";
import { DATABASES, emptyDatabaseUrl } from "../support/databases.js";
import { fuzz } from "./generated-requests.ts";

const COUNT = { sqlite: 1_000, postgres: 300 };

/** `npm run fuzz` sends 50,000. */
describe.each(DATABASES)("generated requests on %s (row 67)", (database) => {
  test("are answered, none with an internal error, and the process survives", async () => {
    const databaseUrl = await emptyDatabaseUrl(database);
    const { sent, wrong, statuses, codes, rss } = await fuzz({
      databaseUrl,
      count: COUNT[database],
      seed: 2026,
    });
    expect(wrong).toEqual([]);
    expect(sent).toBe(COUNT[database]);
    // Enough of them get past the media type, the grammar, the schema and the guard; the smaller sample may miss one.
    if (database === "sqlite")
      expect(Object.keys(codes)).toEqual(
        expect.arrayContaining([
          "BAD_REQUEST",
          "GRAPHQL_VALIDATION_FAILED",
          "BAD_USER_INPUT",
          "UNAUTHENTICATED",
          "INVALID_TOKEN",
        ]),
      );
    expect(statuses["200"]).toBeGreaterThan(0);
    expect(rss.at(-1)).toBeLessThan(600);
  }, 60_000);
});
