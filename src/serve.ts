import { lookup } from "node:dns/promises";
import type { FastifyInstance } from "fastify";
import { MINUTE } from "./clock.js";
import type { Latchkey } from "./compose.js";
import { doubtfulVariables } from "./config/misspelled-variables.js";
import { type Config, loadConfig, readEnvironment } from "./config.js";
import { blame, exitOnUnforeseenError, exitWithMessage } from "./exit.js";
import { createLogger } from "./logger.js";
import { createDemoAccount } from "./services/accounts/demo-account.js";

/** npm repeats a signal that the terminal has already sent: two within this time are one, in milliseconds. */
const ONE_SIGNAL = 300;

/** How often due jobs are looked for, in milliseconds. */
const JOB_PERIOD = MINUTE;

async function start(environment: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(environment);
  const logger = createLogger(config);
  exitOnUnforeseenError(logger);
  for (const doubt of doubtfulVariables(environment)) logger.warn(doubt);
  // Not before the settings are known to be right: loading the parts takes most of the start.
  const { compose } = await import("./compose.js");
  const { composeSchema } = await import("./compose/schema.js");
  const { composeServer } = await import("./compose/server.js");
  const { migrate, ping } = await import("./storage/database.js");
  const latchkey = compose(config, { logger, print: (text) => process.stdout.write(text) });
  await blame("DATABASE_URL", ping(latchkey.db));
  const { applied } = await migrate(config.database);
  if (applied.length > 0) logger.info({ applied }, "migrated the database");
  // A wrong SECRET_KEY fails here rather than at the first login.
  await latchkey.keys.signingKey();
  if (config.production && config.smtpUrl === undefined) {
    logger.warn("SMTP_URL is not set: no email is sent, so nobody can be invited or reset a password");
  }
  const stopJobs = latchkey.jobs.start(JOB_PERIOD, latchkey.logFailure("a job failed"));
  // Sends the emails that the previous process left.
  latchkey.outbox.wake();
  const server = await composeServer(config, latchkey, { schema: composeSchema(latchkey), logger });

  let stoppingSince: number | undefined;
  let welcomed: Promise<void> | undefined;
  const stop = async (signal: NodeJS.Signals) => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince < ONE_SIGNAL) return;
      logger.warn({ signal }, "stopping immediately");
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
  if (!config.production) {
    const { port } = new URL(address);
    const url = config.host === "localhost" ? `http://localhost:${port}` : address;
    welcomed = welcome(`${url}/graphql`, latchkey);
  }
  await welcomed;
}

/** Listens on one address: for a second one of localhost, Fastify starts a server without limits that is not drained. */
async function listen(server: FastifyInstance, { host, port }: Config): Promise<string> {
  const { address } = await lookup(host, { order: "ipv4first" });
  return server.listen({ host: address, port });
}

async function welcome(url: string, { operator, items }: Latchkey): Promise<void> {
  const demo = await createDemoAccount(operator, items);
  const lines = ["", `Latchkey is ready at ${url}`, ""];
  if (demo !== undefined) {
    const { username, password } = demo;
    lines.push(
      "An account to try it with (the password is shown only once):",
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
