import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { systemClock } from "../../src/clock.js";
import { hashOpaqueToken } from "../../src/crypto/opaque-tokens.js";
import { makeApp } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { ME, MY_SESSIONS, REFRESH } from "../support/operations.js";
import { type Server, startServer } from "../support/server.js";

const ROUNDS = 200;
const KILLS = 12;
const refresh = (server: Server, refreshToken: string) => server.send(REFRESH, { refreshToken });

describe.each(DATABASES)("refreshing on %s", (database) => {
  test(`${ROUNDS} rounds of 5 parallel refreshes at two processes: one successor each time (rows 38, 71)`, async () => {
    const app = await makeApp({ database, clock: systemClock });
    await app.createUser("alice");
    const { accessToken, refreshToken } = await app.login("alice");
    const tokens = new Set([refreshToken]);
    const servers = await Promise.all([startServer(app.databaseUrl), startServer(app.databaseUrl)]);
    let token = refreshToken;
    for (let round = 0; round < ROUNDS; round++) {
      const answers = await Promise.all([0, 1, 0, 1, 0].map((n) => refresh(servers[n]!, token)));
      const successors = new Set(answers.map(({ data }) => data!.refreshToken.refreshToken));
      expect(successors.size).toBe(1);
      [token = ""] = successors;
      tokens.add(token);
    }
    const { db } = app.latchkey;
    expect(tokens.size).toBe(ROUNDS + 1);
    const live = await db
      .selectFrom("refresh_tokens")
      .select("token_hash")
      .where("used_at", "is", null)
      .execute();
    expect(live).toEqual([{ token_hash: hashOpaqueToken(token) }]);
    // None of them was taken for reused.
    expect((await app.send(MY_SESSIONS, {}, { token: accessToken })).data!.mySessions).toHaveLength(1);
    await Promise.all(servers.map((server) => server.end("SIGTERM")));
    await app.close();
  }, 120_000);

  test(`a process killed ${KILLS} times during a refresh leaves a session that goes on`, async () => {
    const app = await makeApp({ database, clock: systemClock });
    await app.createUser("alice");
    let token = (await app.login("alice")).refreshToken;
    let acknowledged = 0;
    for (let n = 0; n < KILLS; n++) {
      const server = await startServer(app.databaseUrl);
      await refresh(server, "warm up, so that the next one is quick");
      const answer = refresh(server, token).catch(() => undefined);
      await setTimeout(n);
      await server.end("SIGKILL");
      const got = (await answer)?.data?.refreshToken.refreshToken;
      if (got) {
        acknowledged++;
        token = got;
      }
      // What the client has is the old token, or the new one: either goes on, within the grace.
      const { data } = await app.send(REFRESH, { refreshToken: token });
      token = data!.refreshToken.refreshToken;
      expect((await app.send(ME, {}, { token: data!.refreshToken.accessToken })).status).toBe(200);
    }
    expect(acknowledged).toBeLessThan(KILLS);
    const live = await app.latchkey.db
      .selectFrom("refresh_tokens")
      .select("used_at")
      .where("used_at", "is", null)
      .execute();
    expect(live).toHaveLength(1);
    await app.close();
  }, 120_000);
});
