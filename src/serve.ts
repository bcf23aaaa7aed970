import cluster from "node:cluster";
import { lookup } from "node:dns/promises";
import type { FastifyInstance } from "fastify";
import { MINUTE } from "./clock.js";
import type { Latchkey } from "./compose.js";
import { doubtfulVariables } from "./config/misspelled-variables.js";
import { type Config, loadConfig, readEnvironment } from "./config.js";
import { blame, exitOnUnforeseenError, exitWithMessage, stopOnSignal } from "./exit.js";
import { isLoopbackHost } from "./http/own-host.js";
import { createLogger } from "./logger.js";
import { createDemoAccount } from "./services/accounts/demo-account.js";
import { isFirst, leaveWorkers, shareMetrics, Workers } from "./workers.js";

/** How often due jobs are looked for, in milliseconds. */
const JOB_PERIOD = MINUTE;

async function start(environment: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(environment);
  const logger = createLogger(config);
  exitOnUnforeseenError(logger);
  if (cluster.isPrimary) {
    for (const doubt of doubtfulVariables(environment)) logger.warn(doubt);
    if (config.workers > 1) return new Workers({ count: config.workers, logger }).start();
  }
  // Not before the settings are known to be right: loading the parts takes most of the start.
  const { compose } = await import("./compose.js");
  const { composeSchema } = await import("./compose/schema.js");
  const { composeServer } = await import("./compose/server.js");
  const { migrate, ping } = await import("./storage/database.js");
  const latchkey = compose(config, { logger, print: (text) => process.stdout.write(text) });
  await blame("DATABASE_URL", ping(latchkey.db));
  if (isFirst) {
    const { applied } = await migrate(config.database);
    if (applied.length > 0) logger.info({ applied }, "migrated the database");
  }
  // A wrong SECRET_KEY fails here rather than at the first login.
  await latchkey.keys.signingKey();
  if (isFirst && config.production) for (const warning of productionWarnings(config)) logger.warn(warning);
  if (cluster.isWorker) shareMetrics(latchkey.metrics);
  const stopJobs = latchkey.jobs.start(JOB_PERIOD, latchkey.logFailure("a job failed"));
  // Sends the emails that the previous process left.
  latchkey.outbox.wake();
  const server = await composeServer(config, latchkey, { schema: composeSchema(latchkey, config), logger });

  let stopping = false;
  let welcomed: Promise<void> | undefined;
  stopOnSignal(logger, async () => {
    stopping = true;
    await server.close();
    await stopJobs();
    await welcomed;
    await latchkey.close();
    logger.info("stopped");
    leaveWorkers();
  });

  const address = await blame("HOST and PORT", listen(server, config)).catch((error: unknown) => {
    if (!stopping) throw error;
  });
  if (address === undefined) return;
  if (isFirst && !config.production) {
    const { port } = new URL(address);
    const url = config.host === "localhost" ? `http://localhost:${port}` : address;
    welcomed = welcome(url, config, latchkey);
  }
  await welcomed;
}

/** Warnings about a production configuration that starts but is incomplete. */
function productionWarnings({ smtpUrl, publicUrl }: Config): string[] {
  const { protocol, host } = new URL(publicUrl);
  return [
    ...(smtpUrl === undefined
      ? ["SMTP_URL is not set: no email is sent, so nobody can be invited or reset a password"]
      : []),
    ...(protocol === "http:" && !isLoopbackHost(host)
      ? ["PUBLIC_URL is not https: browsers drop the cookies that sessions are kept in"]
      : []),
  ];
}

/** Listens on one address: for a second one of localhost, Fastify starts a server without limits that is not drained. */
async function listen(server: FastifyInstance, { host, port }: Config): Promise<string> {
  const { address } = await lookup(host, { order: "ipv4first" });
  return server.listen({ host: address, port });
}

async function welcome(url: string, { explorer }: Config, { operator, items }: Latchkey): Promise<void> {
  const demo = await createDemoAccount(operator, items);
  const lines = ["", "Latchkey is ready.", ""];
  if (explorer) lines.push(`  Explorer:  ${url}/explorer`);
  lines.push(`  API:       ${url}/graphql`, "");
  if (demo !== undefined) {
    const { username, password } = demo;
    lines.push(
      "An account to try it with (the password is shown only once):",
      `  username: ${username}`,
      `  password: ${password}`,
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
