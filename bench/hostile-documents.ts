/**
 * Shows what hostile documents cost: each as large as the issue of them goes and as large as the body limit lets in,
 * the median of some answers of the server, and beside it what parsing and validating it takes without limits. It
 * fails when an answer is not a 4xx in 50 ms.
 */
import { readFileSync } from "node:fs";
import { buildSchema, parse, validate } from "graphql";
import { median, startServer } from "./server.ts";

const SAMPLES = 15;
const LIMIT = 50;

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

const { child, url } = await startServer();

async function send(query: string): Promise<{ status: number; took: number }> {
  const body = JSON.stringify({ query });
  const started = performance.now();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  await response.text();
  return { status: response.status, took: performance.now() - started };
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
  const answers: { status: number; took: number }[] = [];
  for (let n = 0; n < SAMPLES; n++) answers.push(await send(query));
  const took = median(answers.map((answer) => answer.took));
  const status = answers[0]?.status ?? 0;
  console.log(
    `${name.padEnd(32)} ${status}  ${took.toFixed(1).padStart(5)} ms   without limits ${withoutLimits(query)}`,
  );
  if (status < 400 || status > 499 || took > LIMIT) process.exitCode = 1;
}
child.kill("SIGTERM");
