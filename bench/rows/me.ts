import { deepStrictEqual, match } from "node:assert";
import { SERVER_CORE } from "../harness/cores.ts";
import { graphqlRequest } from "../harness/http.ts";
import { type Latchkey, signIn, startLatchkey } from "../harness/latchkey.ts";
import { type Contestant, expectOk, inTurns, load } from "../harness/load.ts";
import { copyForPeers, PEERS, type PeerDatabase, type RunningPeer, TUTORIAL } from "../harness/peers.ts";
import { startPostgres } from "../harness/postgres.ts";
import {
  BASE,
  type Bench,
  compared,
  LATCHKEY,
  type Section,
  standingOf,
  standingsTable,
} from "../harness/section.ts";

export const ME = "{ me { id username email fullName } }";
const POSTGRES = "Latchkey on PostgreSQL";

/** Sends a document as johndoe, signed in anew for each turn: an access token is short-lived. */
export function latchkeyContestant(name: string, server: Latchkey, document: string): Contestant {
  return {
    name,
    async turn(seconds) {
      const { accessToken } = await signIn(server.url);
      const headers = { authorization: `Bearer ${accessToken}` };
      return load(server.pid, [graphqlRequest(server.url, document, { headers })], { seconds });
    },
  };
}

/** @throws when a GraphQL server does not give the expected answer, or another does not know who is signed in */
export async function peerContestant(
  name: string,
  peer: RunningPeer,
  document: string,
  expected: unknown,
): Promise<Contestant> {
  const request = peer.request(document);
  const answer = await expectOk(request);
  if (request.url.endsWith("/graphql")) deepStrictEqual(JSON.parse(answer), expected);
  else match(answer, /johndoe@example\.com/);
  return { name, turn: (seconds) => load(peer.pid, [request], { seconds }) };
}

/**
 * Starts a Latchkey of this checkout on the server's core, and copies its database for the peers.
 * @param prepare writes what the document reads
 * @returns also what the document is answered with
 */
export async function startWithCopy(
  bench: Bench,
  document: string,
  prepare?: (send: (document: string) => Promise<string>) => Promise<void>,
) {
  const server = await startLatchkey(bench.scope, { cores: SERVER_CORE });
  const { accessToken } = await signIn(server.url);
  const headers = { authorization: `Bearer ${accessToken}` };
  const send = (query: string) => expectOk(graphqlRequest(server.url, query, { headers }));
  await prepare?.(send);
  const expected: unknown = JSON.parse(await send(document));
  return { server, expected, database: copyForPeers(bench.scope, server, accessToken) };
}

async function startPeers(bench: Bench, database: PeerDatabase, expected: unknown) {
  const contestants: Contestant[] = [];
  const notes: string[] = [];
  for (const peer of PEERS) {
    const running = await peer.start(bench.scope, database);
    if (running === undefined) notes.push(`Skipped: ${peer.name} is not installed.`);
    else contestants.push(await peerContestant(peer.name, running, ME, expected));
  }
  return { contestants, notes };
}

/** The authenticated `me` against all peers, the base commit, and itself on PostgreSQL. */
export async function measureMe(bench: Bench): Promise<Section> {
  const { server, expected, database } = await startWithCopy(bench, ME);
  const createDatabase = await startPostgres(bench.scope);
  const databaseUrl = await createDatabase("me");
  const onPostgres = await startLatchkey(bench.scope, { cores: SERVER_CORE, databaseUrl });
  const peers = await startPeers(bench, database, expected);
  const contestants = [
    latchkeyContestant(LATCHKEY, server, ME),
    latchkeyContestant(POSTGRES, onPostgres, ME),
    ...peers.contestants,
  ];
  if (bench.baseDist) {
    const base = await startLatchkey(bench.scope, { cores: SERVER_CORE, dist: bench.baseDist });
    contestants.push(latchkeyContestant(BASE, base, ME));
  }
  const standings = await inTurns(contestants, bench);
  const against = (name: string, measure: string, least: number) =>
    compared(standings, [LATCHKEY, name], { measure, least });
  return {
    title: `\`me\`: ${ME}`,
    ...standingsTable(standings, standingOf(standings, LATCHKEY)!),
    findings: [
      ...against(BASE, "`me` against Latchkey at the base commit", 4),
      ...against(TUTORIAL, "`me` against the tutorial stack (Apollo on Express 5)", 2),
      ...against("Mercurius with JIT", "`me` against Mercurius with JIT + jose + Kysely", 1),
      ...against("FastAPI's tutorial", "`me` against FastAPI's tutorial", 1.6),
      ...against("better-auth get-session", "`me` against better-auth `get-session`, cookie cache off", 5),
      ...compared(standings, [POSTGRES, LATCHKEY], {
        measure: "`me` on PostgreSQL against `me` on SQLite",
        least: 0.8,
      }),
    ],
    notes: peers.notes,
  };
}
