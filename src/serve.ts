import { lookup } from "node:dns/promises";
import type { FastifyInstance } from "fastify";
import { MINUTE } from "./clock.js";
import { compose, composeServer, type Latchkey } from "./compose.js";
import { type Config, loadConfig, readEnvironment } from "./config.js";
import { blame, exitOnUnforeseenError, exitWithMessage } from "./exit.js";
import { createLogger } from "./logger.js";
import { doubtfulVariables } from "./misspelled-variables.js";
import { createDemoAccount } from "./services/accounts/demo-account.js";
import { migrate, ping } from "./storage/database.js";

/** npm passes on the signal that a terminal has sent already: two that close together are one, in milliseconds. */
const ONE_SIGNAL = 300;

/** How often to look for jobs that are due, in milliseconds. */
const JOB_PERIOD = MINUTE;

async function start(environment: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(environment);
  const logger = createLogger(config);
  exitOnUnforeseenError(logger);
  for (const doubt of doubtfulVariables(environment)) logger.warn(doubt);
  const latchkey = compose(config, { logger, print: (text) => process.stdout.write(text) });
  await blame("DATABASE_URL", ping(latchkey.db));
  const { applied } = await migrate(config.database);
  if (applied.length > 0) logger.info({ applied }, "migrated the database");
  // A wrong SECRET_KEY stops the start here, not the first login.
  await latchkey.keys.signingKey();
  const stopJobs = latchkey.jobs.start(JOB_PERIOD, latchkey.logFailure("a job failed"));
  // Emails that were left when the last process stopped.
  latchkey.outbox.wake();
  const server = await composeServer(config, latchkey, { logger });

  let stoppingSince: number | undefined;
  let welcomed: Promise<void> | undefined;
  const stop = async (signal: NodeJS.Signals) => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince < ONE_SIGNAL) return;
      logger.warn({ signal }, "stopping at once");
      process.exit(1);
    }
    stoppingSince = performance.now();
    logger.info({ signal }, "stopping");
    await server.close();
    await stopJobs();
    await welcomed;
    await latchkey.close();
    logger.info("stopped");
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  const address = await blame("HOST and PORT", listen(server, config)).catch((error: unknown) => {
    if (stoppingSince === undefined) throw error;
  });
  if (address === undefined) return;
  if (!config.production) welcomed = welcome(`${address}/graphql`, latchkey);
  await welcomed;
}

/** Fastify would serve localhost's second address by a second server, which has no limits and is not drained. */
async function listen(server: FastifyInstance, { host, port }: Config): Promise<string> {
  const { address } = await lookup(host, { order: "ipv4first" });
  return server.listen({ host: address, port });
}

async function welcome(url: string, { accounts, items }: Latchkey): Promise<void> {
  const demo = await createDemoAccount(accounts, items);
  const lines = ["", `Latchkey is ready at ${url}`, ""];
  if (demo !== undefined) {
    const { username, password } = demo;
    lines.push(
      "An account to try it with, shown this once:",
      `  username: ${username}`,
      `  password: ${password}`,
      "",
      "Open the address in a browser, or send it this:",
      `  mutation { login(username: "${username}", password: "${password}") { accessToken } }`,
      "",
    );
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

try {
  await start(readEnvironment());
} catch (error) {
  exitWithMessage(error);
}
