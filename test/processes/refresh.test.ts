import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { systemClock } from "../../src/clock.js";
import { hashOpaqueToken } from "../../src/crypto/opaque-tokens.js";
import { closingAfterEach } from "../support/closing.js";
import { DATABASES } from "../support/databases.js";
import { ME, MY_SESSIONS, REFRESH } from "../support/operations.js";
import { type Server, startServer } from "../support/server.js";

const ROUNDS = 25;
/** How long after a refresh was sent the process is killed, in milliseconds. */
const MOMENTS = [0, 2, 4, 8];
const makeApp = closingAfterEach();
const refresh = (server: Server, refreshToken: string) => server.send(REFRESH, { refreshToken });

describe.each(DATABASES)("refreshing on %s", (database) => {
  test(`${ROUNDS} sessions, each refreshed 5 times in parallel at two processes: one successor each (rows 38, 71)`, async () => {
    const app = await makeApp({ database, clock: systemClock });
    await app.createUser("alice");
    const servers = await Promise.all([startServer(app.databaseUrl), startServer(app.databaseUrl)]);
    const latest: string[] = [];
    let accessToken = "";
    for (let round = 0; round < ROUNDS; round++) {
      const login = await app.login("alice");
      ({ accessToken } = login);
      const answers = await Promise.all([0, 1, 0, 1, 0].map((n) => refresh(servers[n]!, login.refreshToken)));
      const [successor, ...others] = new Set(answers.map(({ data }) => data!.refreshToken.refreshToken!));
      expect([others, successor]).toEqual([[], expect.not.stringMatching(login.refreshToken)]);
      latest.push(hashOpaqueToken(successor!));
    }
    const { db } = app.latchkey;
    const live = await db.selectFrom("sessions").select(["refresh_token_hash", "ended_at"]).execute();
    expect(live.map(({ ended_at }) => ended_at)).toEqual(latest.map(() => null));
    expect(live.map((session) => session.refresh_token_hash).sort()).toEqual(latest.sort());
    // No token was mistaken for a reused one.
    const { data } = await app.send(MY_SESSIONS, {}, { token: accessToken });
    expect(data!.mySessions).toHaveLength(ROUNDS);
    await Promise.all(servers.map((server) => server.end("SIGTERM")));
  }, 120_000);

  test(`a process killed ${MOMENTS.length} times during a refresh leaves a session that still works`, async () => {
    const app = await makeApp({ database, clock: systemClock });
    await app.createUser("alice");
    let acknowledged = 0;
    for (const moment of MOMENTS) {
      let token = (await app.login("alice")).refreshToken;
      const server = await startServer(app.databaseUrl);
      await refresh(server, "unknown: the first request of a process is slow");
      const answer = refresh(server, token).catch(() => undefined);
      await setTimeout(moment);
      await server.end("SIGKILL");
      const got = (await answer)?.data?.refreshToken.refreshToken;
      if (got) {
        acknowledged++;
        token = got;
      }
      // The client has the old token or the new one: both work within the grace period.
      const { data } = await app.send(REFRESH, { refreshToken: token });
      token = data!.refreshToken.refreshToken!;
      expect((await app.send(ME, {}, { token: data!.refreshToken.accessToken })).status).toBe(200);
    }
    expect(acknowledged).toBeLessThan(MOMENTS.length);
    const live = await app.latchkey.db
      .selectFrom("sessions")
      .select("refresh_token_hash")
      .where("ended_at", "is", null)
      .execute();
    expect(live).toHaveLength(MOMENTS.length);
  }, 120_000);
});
