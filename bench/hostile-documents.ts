/**
 * Shows what hostile documents cost: each as large as the issue of them goes and as large as the body limit lets in,
 * the median of some answers of the server, and beside it what parsing and validating it takes without limits. It
 * fails when an answer is not a 4xx in 50 ms. Then what many documents, and large answers, do to the memory of a
 * process with a heap of 112 MB: it fails when that has ever had more than 256 MB, or 384 MB where sixteen at once are
 * as large as they may be. Then what a page costs whose owner has 200,000 items: it fails past 250 ms.
 */
import { readFileSync } from "node:fs";
import SQLite from "better-sqlite3";
import { buildSchema, parse, validate } from "graphql";
import { graphqlRequest, sendRequest } from "./harness/http.ts";
import { signIn, startLatchkey } from "./harness/latchkey.ts";
import { memoryOf } from "./harness/processes.ts";
import { closeOnSignal, Scope } from "./harness/scope.ts";
import { median } from "./harness/statistics.ts";

const SAMPLES = 15;
const LIMIT = 50;
const HEAP = 112;
/** In MB: under many documents, and while sixteen are read, or answered, that are as large as they may be. */
const MOST_MEMORY = 256;
const MOST_AT_ONCE = 384;
const PAGE_LIMIT = 250;
const CONNECTIONS = 16;

const many = (count: number, text: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => text(n)).join(" ");
const fragments = (count: number) =>
  `{${many(count, (n) => `...f${n}`)}}${many(count, (n) => `fragment f${n} on Query{me{id}}`)}`;

const ATTACKS: Record<string, string> = {
  "100,000 aliases": `{${many(100_000, (n) => `a${n}:me{id}`)}}`,
  "4,500 aliases": `{${many(4_500, (n) => `a${n}:me{id}`)}}`,
  "20,000 repeated fields": `{${many(20_000, () => "me{id}")}}`,
  "9,000 repeated fields": `{${many(9_000, () => "me{id}")}}`,
  "10,000 directives": `{me{id${many(10_000, () => "@skip(if:true)")}}}`,
  "30,000 directives": `{me{id${many(30_000, () => "@a")}}}`,
  "60,000 levels": `${"{a".repeat(60_000)}${"}".repeat(60_000)}`,
  "21,000 levels": `${"{a".repeat(21_000)}${"}".repeat(21_000)}`,
  "3,000 overlapping fragments": fragments(3_000),
  "1,400 overlapping fragments": fragments(1_400),
  "fragments that double 70 times": `{me{...f0}}${many(70, (n) => `fragment f${n} on User{...f${n + 1} ...f${n + 1}}`)}fragment f70 on User{id}`,
  "pages within pages": "{me{items{owner{items{owner{items{owner{items{id}}}}}}}}}",
};

const scope = new Scope();
closeOnSignal();
let server = await startLatchkey(scope, { env: { LOG_LEVEL: "warn" } });

async function send(query: string, token?: string) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const request = graphqlRequest(server.url, query, { headers });
  const started = performance.now();
  const answer = await sendRequest(request);
  return { ...answer, took: performance.now() - started };
}

const schema = buildSchema(readFileSync("schema.graphql", "utf8"));

/** What happens without limits. */
function withoutLimits(query: string): string {
  const started = performance.now();
  let end = "";
  try {
    validate(schema, parse(query));
  } catch (error) {
    end = `, ends in a ${(error as Error).name}`;
  }
  return `${(performance.now() - started).toFixed(0)} ms${end}`;
}

for (let n = 0; n < 200; n++) await send(`{me{id}}#${n}`);
for (const [name, query] of Object.entries(ATTACKS)) {
  const answers: Awaited<ReturnType<typeof send>>[] = [];
  for (let n = 0; n < SAMPLES; n++) answers.push(await send(query));
  const took = median(answers.map((answer) => answer.took));
  const status = answers[0]?.status ?? 0;
  console.log(
    `${name.padEnd(32)} ${status}  ${took.toFixed(1).padStart(5)} ms   without limits ${withoutLimits(query)}`,
  );
  if (status < 400 || status > 499 || took > LIMIT) process.exitCode = 1;
}

server = await startLatchkey(scope, { flags: [`--max-old-space-size=${HEAP}`] });

/** Sends so many documents, several at once, and tells what became of the process. */
async function flood(
  name: string,
  count: number,
  limit: number,
  query: (n: number) => string,
  token?: string,
): Promise<void> {
  const statuses: Record<string, number> = {};
  let largest = 0;
  let next = 0;
  const work = async () => {
    while (next < count) {
      const { status, text } = await send(query(next++), token);
      statuses[status] = (statuses[status] ?? 0) + 1;
      largest = Math.max(largest, text.length);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work)).catch(() => {});
  if (server.child.exitCode !== null || server.child.signalCode !== null) {
    console.log(`${name}: ended the process`, statuses);
    process.exit(1);
  }
  const { now, most } = memoryOf(server.pid);
  console.log(
    `${name.padEnd(56)} ${now} MB, at most ${most} MB`,
    statuses,
    `largest answer ${largest} bytes`,
  );
  if (most > limit) process.exitCode = 1;
}

const { accessToken: token } = await signIn(server.url);
const own = new SQLite(server.file);
const { id: owner } = own.prepare("select id from users where username = 'johndoe'").get() as { id: string };
const insert = own.prepare("insert into items values (?, ?, 'x', ?, 0, 0)");
const addItems = own.transaction((count: number, description: string | null) => {
  for (let n = 0; n < count; n++)
    insert.run(`00000000-0000-7000-8000-${String(n).padStart(12, "0")}`, owner, description);
});

console.log(`\na process with a heap of ${HEAP} MB: ${memoryOf(server.pid).now} MB`);
await flood(
  "1,800 documents of 100 fields, without a token",
  1_800,
  MOST_MEMORY,
  (n) => `query q${n}{me{${many(100, () => "id")}}}`,
);
await flood(
  "20,000 documents of 100 fields, without a token",
  20_000,
  MOST_MEMORY,
  (n) => `query r${n}{me{${many(100, () => "id")}}}`,
);
await flood(
  "200 documents of 20,000 comments",
  200,
  MOST_AT_ONCE,
  (n) => `query c${n}{me{id}}${"#\n".repeat(20_000)}`,
);
// JSON writes this character with six bytes: 2,730 are as many as an item may have.
addItems(100, "\u0001".repeat(2_730));
await flood(
  "100 answers of all of 100 items",
  100,
  MOST_AT_ONCE,
  () => "{myItems(first:100){id title description}}",
  token,
);
await flood(
  "100 of 100 items, by 20 aliases",
  100,
  MOST_AT_ONCE,
  () => `{${many(20, (n) => `a${n}:myItems(first:100){description}`)}}`,
  token,
);
await flood(
  "100 of 100 items, read by 20 aliases and not answered",
  100,
  MOST_AT_ONCE,
  () => `{${many(20, (n) => `a${n}:myItems(first:100){id}`)}}`,
  token,
);

own.prepare("delete from items").run();
addItems(200_000, null);
const pages = `{me{${many(50, (n) => `a${n}:items(first:${n + 1}){id}`)}}}`;
const page = await send(pages, token);
console.log(
  `\n50 pages of an owner of 200,000 items                     ${page.status}  ${page.took.toFixed(1)} ms`,
);
if (page.status !== 200 || page.took > PAGE_LIMIT) process.exitCode = 1;
await scope.close();
