// Before any decorator of graphql/ runs: this file or compose/schema.ts may be imported first.
import "reflect-metadata";
import type { FastifyInstance } from "fastify";
import type { GraphQLSchema } from "graphql";
import type { Logger } from "pino";
import type { Latchkey } from "../compose.js";
import type { Config } from "../config.js";
import { PrintedMailer } from "../email/printed.js";
import { blame } from "../exit.js";
import { printSdl } from "../graphql/schema.js";
import { readPersistedDocuments } from "../http/apollo/persisted-documents.js";
import { RefreshCookies } from "../http/refresh-cookies.js";
import { addEmails } from "../http/routes/emails.js";
import { addExplorer } from "../http/routes/explorer.js";
import { addForwardAuth } from "../http/routes/forward-auth.js";
import { addGraphQL } from "../http/routes/graphql.js";
import { addHealth } from "../http/routes/health.js";
import { addHome } from "../http/routes/home.js";
import { addMetrics } from "../http/routes/metrics.js";
import { addOAuth } from "../http/routes/oauth/routes.js";
import { addSchema } from "../http/routes/schema.js";
import { createServer } from "../http/server.js";

/** The origins Apollo Sandbox calls from. */
const APOLLO_SANDBOX_ORIGINS = [
  "https://studio.apollographql.com",
  "https://sandbox.embed.apollographql.com",
];

/** Builds the HTTP server over the parts. It does not listen yet. */
export async function composeServer(
  config: Config,
  {
    clock,
    metrics,
    health,
    keys,
    mailer,
    login,
    refresh,
    sessions,
    scopes,
    access,
    items,
    administration,
  }: Latchkey,
  { schema, logger }: { schema: GraphQLSchema; logger: Logger },
): Promise<FastifyInstance> {
  const corsOrigins = [...config.corsOrigins, ...(config.apolloSandbox ? APOLLO_SANDBOX_ORIGINS : [])];
  const server = await createServer({
    logger,
    corsOrigins,
    credentialedOrigins: config.corsOrigins,
    trustedProxies: config.trustedProxies,
    shutdownDelay: config.shutdownDelaySeconds,
    hsts:
      config.publicUrl.startsWith("https:") && config.hstsMaxAge > 0
        ? { maxAge: config.hstsMaxAge, includeSubDomains: config.hstsIncludeSubdomains }
        : undefined,
    health,
    metrics,
  });
  const manifest = config.persistedDocuments;
  const persistedDocuments =
    manifest === undefined ? undefined : await blame("PERSISTED_DOCUMENTS", readPersistedDocuments(manifest));
  await addGraphQL(server, {
    schema,
    sessions,
    items,
    administration,
    health,
    metrics,
    apolloSandbox: config.apolloSandbox,
    explorer: config.explorer,
    introspection: config.introspection,
    persistedDocuments,
    maxResponseBytes: config.maxResponseBytes,
    federation: config.federation,
    refreshCookies: new RefreshCookies({
      refresh,
      clock,
      publicUrl: config.publicUrl,
      production: config.production,
      origins: config.corsOrigins,
    }),
  });
  // As with introspection, which no persisted document is.
  if (config.introspection && persistedDocuments === undefined)
    await addSchema(server, { printSdl: () => printSdl(schema) });
  await addOAuth(server, {
    keys,
    login,
    refresh,
    sessions,
    scopes,
    health,
    issuer: config.publicUrl,
    introspectionSecret: config.introspectionSecret,
  });
  await addForwardAuth(server, { sessions, access });
  if (config.explorer) await blame("EXPLORER", addExplorer(server));
  await addHealth(server, { health });
  if (config.metricsToken !== undefined || !config.production)
    await addMetrics(server, { metrics, token: config.metricsToken });
  if (mailer instanceof PrintedMailer) await addEmails(server, { mailer, publicUrl: config.publicUrl });
  if (!config.production) await addHome(server, { apolloSandbox: config.apolloSandbox });
  return server;
}
