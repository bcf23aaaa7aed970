import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { SERVER_CORE } from "../harness/cores.ts";
import { graphqlRequest, sendGraphQL } from "../harness/http.ts";
import { copyDatabase, type Latchkey, signIn, startLatchkey } from "../harness/latchkey.ts";
import { type Contestant, inTurns, measure, type Sample } from "../harness/load.ts";
import { startPostgres } from "../harness/postgres.ts";
import type { Scope } from "../harness/scope.ts";
import {
  BASE,
  type Bench,
  compared,
  LATCHKEY,
  type Section,
  standingOf,
  standingsTable,
} from "../harness/section.ts";

/** How many sessions refresh, each over a connection of its own: `user0`, `user1`, … */
export const REFRESHING = 16;
/** Signing in is no part of the measure. Within the grace period a session's second refresh would write nothing. */
export const CHEAP = { cost: 10, env: { BCRYPT_COST: "10", REFRESH_GRACE_SECONDS: "0" } };
const REFRESH = `mutation ($token: String!) { refreshToken(refreshToken: $token) { accessToken refreshToken } }`;

interface Tokens {
  accessToken: string;
  refreshToken: string;
}

/** @throws when the token is refused */
export async function refresh(url: string, token: string): Promise<Tokens> {
  const { code, data } = await sendGraphQL(graphqlRequest(url, REFRESH, { variables: { token } }));
  if (code !== "OK") throw new Error(`refreshToken: ${code}`);
  return data["refreshToken"] as Tokens;
}

/** Sessions that refresh, each with the token that its last refresh gave. */
export async function refreshContestant(name: string, server: Latchkey): Promise<Contestant> {
  const tokens: string[] = [];
  for (let n = 0; n < REFRESHING; n++) tokens.push((await signIn(server.url, `user${n}`)).refreshToken);

  async function refreshUntil(end: number, n: number): Promise<number> {
    let count = 0;
    while (performance.now() < end) {
      tokens[n] = (await refresh(server.url, tokens[n]!)).refreshToken;
      count++;
    }
    return count;
  }

  return {
    name,
    turn: (seconds) =>
      measure(server.pid, async () => {
        const end = performance.now() + seconds * 1000;
        const counts = await Promise.all(tokens.map((_, n) => refreshUntil(end, n)));
        return counts.reduce((sum, count) => sum + count, 0);
      }),
  };
}

/** Starts this checkout and the base commit, each over a database of its own. */
async function startBuilds(bench: Bench, createDatabase?: (name: string) => Promise<string>) {
  const builds: { name: string; dist?: string }[] = [{ name: LATCHKEY }];
  if (bench.baseDist) builds.push({ name: BASE, dist: bench.baseDist });
  const servers: Latchkey[] = [];
  const contestants: Contestant[] = [];
  for (const { name, dist } of builds) {
    const database = createDatabase && { databaseUrl: await createDatabase(`refreshes${servers.length}`) };
    const options = { ...CHEAP, ...database, dist, cores: SERVER_CORE, users: REFRESHING };
    const server = await startLatchkey(bench.scope, options);
    servers.push(server);
    contestants.push(await refreshContestant(name, server));
  }
  return { server: servers[0]!, contestants };
}

const BARE = "bare durable writes";

/** The same rows written by a process that does nothing else. */
function bareContestant(scope: Scope, from: string): Contestant {
  const file = copyDatabase(scope, from);
  return {
    name: BARE,
    async turn(seconds) {
      const args = ["-c", SERVER_CORE, process.execPath, resolve("bench/harness/bare-writes.ts")];
      const output = execFileSync("taskset", [...args, file, String(seconds)], { encoding: "utf8" });
      return JSON.parse(output) as Sample;
    },
  };
}

/** Refreshes on SQLite against bare durable writes of the same rows. */
export async function measureRefreshes(bench: Bench): Promise<Section> {
  const { server, contestants } = await startBuilds(bench);
  const standings = await inTurns([...contestants, bareContestant(bench.scope, server.file)], bench);
  return {
    title: "Refreshes on SQLite",
    ...standingsTable(standings, standingOf(standings, LATCHKEY)!),
    findings: compared(standings, [LATCHKEY, BARE], {
      measure: "refreshes/s on SQLite against the bare durable writes of the same rows",
      least: 0.4,
    }),
    notes: [],
  };
}

/** Refreshes on PostgreSQL, durable writes, against the base commit. */
export async function measureRefreshesOnPostgres(bench: Bench): Promise<Section> {
  const { contestants } = await startBuilds(bench, await startPostgres(bench.scope));
  const standings = await inTurns(contestants, bench);
  return {
    title: "Refreshes on PostgreSQL",
    ...standingsTable(standings, standingOf(standings, LATCHKEY)!),
    findings: compared(standings, [LATCHKEY, BASE], {
      measure: "refreshes/s on PostgreSQL against Latchkey at the base commit",
      least: 2.5,
    }),
    notes: bench.baseDist ? [] : ["Not compared: no --base was given."],
  };
}
