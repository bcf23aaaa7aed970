import { expect, test } from "@jest/globals";
import { loadConfig } from "../src/config.js";
import { createLogger } from "../src/logger.js";

test("an error is logged without its additional properties and without control characters (row 70)", () => {
  const lines: string[] = [];
  const logger = createLogger(loadConfig({}), { write: (line) => void lines.push(line) });
  const cause = Object.assign(new Error("bell \u0007"), { detail: "CANARY" });
  const err = Object.assign(new Error("red \u001b[31m\u009b31m\r\nnext", { cause }), {
    row: "CANARY",
    code: "X",
  });
  logger.error({ err }, "failed");
  expect(lines).toHaveLength(1);
  const logged = JSON.parse(lines[0]!);
  expect(logged).toMatchObject({
    msg: "failed",
    err: {
      type: "Error",
      message: "red \ufffd[31m\ufffd31m\ufffd\nnext",
      code: "X",
      cause: { message: "bell \ufffd" },
    },
  });
  expect(logged.err.stack).toMatch(/^Error: red \ufffd\[31m\ufffd31m\ufffd\nnext\n {4}at /);
  expect(lines[0]).not.toContain("CANARY");
});
