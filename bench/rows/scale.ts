import { SERVER_CORE } from "../harness/cores.ts";
import { fillPostgres, fillSqlite } from "../harness/fill.ts";
import { graphqlRequest, type HttpRequest } from "../harness/http.ts";
import { startLatchkey } from "../harness/latchkey.ts";
import { type Contestant, inTurns, load } from "../harness/load.ts";
import { startPostgres } from "../harness/postgres.ts";
import {
  type Bench,
  compared,
  type Section,
  skipped,
  standingOf,
  standingsTable,
} from "../harness/section.ts";
import { ME } from "./me.ts";
import { refresh } from "./refreshes.ts";

const TITLE = "`me` with many users";
const FEW = 1_000;
const MANY = 1_000_000;
/** How many sessions ask, evenly spread over all. */
const ASKING = 1_000;
/** The tokens are fetched once and must last. */
const ENV = { ACCESS_TOKEN_EXPIRE_MINUTES: "1440" };

async function contestant(
  bench: Bench,
  name: string,
  count: number,
  databaseUrl?: string,
): Promise<Contestant> {
  const options = { cores: SERVER_CORE, env: ENV, ...(databaseUrl && { databaseUrl }) };
  const server = await startLatchkey(bench.scope, options);
  console.log(`  ${name}: adding ${count} users and sessions`);
  const refreshTokens = databaseUrl
    ? await fillPostgres(databaseUrl, count, ASKING)
    : await fillSqlite(server.file, count, ASKING);
  const requests: HttpRequest[] = [];
  for (const refreshToken of refreshTokens) {
    const { accessToken } = await refresh(server.url, refreshToken);
    requests.push(graphqlRequest(server.url, ME, { headers: { authorization: `Bearer ${accessToken}` } }));
  }
  return { name, turn: (seconds) => load(server.pid, requests, { seconds }) };
}

/** `me` of a thousand sessions among a million, and of a thousand among a thousand, on both databases. */
export async function measureScale(bench: Bench): Promise<Section> {
  if (!bench.large) return skipped(TITLE, "only with --large.");
  const createDatabase = await startPostgres(bench.scope);
  const standings = await inTurns(
    [
      await contestant(bench, "SQLite, 10³", FEW),
      await contestant(bench, "SQLite, 10⁶", MANY),
      await contestant(bench, "PostgreSQL, 10³", FEW, await createDatabase("few")),
      await contestant(bench, "PostgreSQL, 10⁶", MANY, await createDatabase("many")),
    ],
    bench,
  );
  return {
    title: TITLE,
    ...standingsTable(standings, standingOf(standings, "SQLite, 10³")!),
    findings: ["SQLite", "PostgreSQL"].flatMap((database) =>
      compared(standings, [`${database}, 10⁶`, `${database}, 10³`], {
        measure: `\`me\` at 10⁶ users and sessions against 10³, ${database}`,
        least: 0.95,
      }),
    ),
    notes: [`${ASKING} sessions ask in turn, evenly spread over all.`],
  };
}
