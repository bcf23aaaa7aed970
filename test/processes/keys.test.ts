import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { HOUR, systemClock } from "../../src/clock.js";
import { type App, makeApp, SECRET_KEY } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { runCli } from "../support/program.js";

describe.each(DATABASES)("the commands for keys on %s (row 33)", (database) => {
  let app: App;
  beforeEach(async () => {
    app = await makeApp({ database, clock: systemClock, env: { ACCESS_TOKEN_EXPIRE_MINUTES: "60" } });
    await app.latchkey.keys.signingKey();
  });
  afterEach(() => app.close());

  const rows = () => app.latchkey.db.selectFrom("signing_keys").selectAll().orderBy("created_at").execute();
  const cli = (args: string[], env: NodeJS.ProcessEnv) =>
    runCli(["keys", ...args], { env: { DATABASE_URL: app.databaseUrl, SECRET_KEY, ...env } });

  test("rotate uses the algorithm and the lifetime in the database, not those in its environment", async () => {
    const env = { ALGORITHM: "EdDSA", ACCESS_TOKEN_EXPIRE_MINUTES: "15" };
    const { code, stdout } = await cli(["rotate"], env);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^Created [\w-]{43}, which signs from 20\d\d-.*Z\.\n$/),
    ]);
    const [old, next] = await rows();
    expect([old!.algorithm, next!.algorithm]).toEqual(["ES256", "ES256"]);
    const verifiesUntil = new Date(old!.superseded_at! + HOUR).toISOString();
    expect((await cli(["list"], env)).stdout).toBe(
      [
        `${old!.kid}  ES256  created ${new Date(old!.created_at).toISOString()}  verifies until ${verifiesUntil}\n`,
        `${next!.kid}  ES256  created ${new Date(next!.created_at).toISOString()}  newest\n`,
      ].join(""),
    );
  });

  test("rotate with another SECRET_KEY fails and does not change the keys", async () => {
    const before = await rows();
    const { code, stdout, stderr } = await cli(["rotate"], {
      SECRET_KEY: "another secret key, of more than 32 bytes",
    });
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "latchkey: SECRET_KEY is not the one that the signing key in the database is encrypted under: start with that one, or set it as PREVIOUS_SECRET_KEY\n",
    });
    expect(await rows()).toEqual(before);
  });
});
