import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { expect, test } from "@jest/globals";
import { SECRET_KEY } from "../support/app.js";
import { emptyDatabaseUrl } from "../support/databases.js";
import { startProgram } from "../support/program.js";

// No part of Latchkey is known to throw where nothing catches it, so this code is injected beside it.
const FAULTS = {
  "a rejected promise that nobody awaits": "Promise.reject(error)",
  "a callback that throws": "setTimeout(() => { throw error })",
};

test.each(Object.entries(FAULTS))(
  "%s ends the process with code 1 and one fatal line, without the properties of the error (row 67)",
  async (_what, fault) => {
    const beside = `process.once("SIGUSR2", () => { const error = Object.assign(new Error("unforeseen"), { detail: "CANA" + "RY" }); ${fault} })`;
    const program = startProgram(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(beside)}`, resolve("dist/main.js")],
      {
        cwd: tmpdir(),
        env: {
          DATABASE_URL: await emptyDatabaseUrl("sqlite"),
          HOST: "127.0.0.1",
          PORT: "0",
          REGISTRATION: "closed",
          SECRET_KEY,
        },
      },
    );
    await program.printed(/Server listening/);
    program.child.kill("SIGUSR2");
    const { code, stdout, stderr } = await program.ended;
    expect([code, stderr]).toEqual([1, ""]);
    const last = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
    expect(last).toMatchObject({
      level: 60,
      err: { type: "Error", message: "unforeseen" },
      msg: "uncaught error: exiting",
    });
  },
);
