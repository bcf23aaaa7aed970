import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { type GraphQLFormattedError, print } from "graphql";
import type { Clock } from "../../src/clock.js";
import { composeSchema } from "../../src/compose/schema.js";
import { composeServer } from "../../src/compose/server.js";
import { compose } from "../../src/compose.js";
import { type Config, loadConfig } from "../../src/config.js";
import { PasswordThreads } from "../../src/crypto/password-threads.js";
import { createLogger } from "../../src/logger.js";
import { migrate, ping } from "../../src/storage/database.js";
import type { Role } from "../../src/storage/users.js";
import { type DatabaseKind, migratedDatabaseUrl } from "./databases.js";
import { undescribedErrors } from "./described-errors.js";
import { closeWithFile } from "./opened.ts";
import { LOGIN } from "./operations.js";
import { keepSeen, SECRETS } from "./seen.js";

/** The password of all tests: it must never appear in a response or a log. */
export const PASSWORD = "CANARY-correct-horse-battery";

/** The password that tests change it to. */
export const NEW_PASSWORD = "CANARY-another-fine-set-of-words";

export const SECRET_KEY = "a test's secret key, never used elsewhere";

export class FrozenClock implements Clock {
  #now = Date.parse("2026-01-01T00:00:00Z");

  now(): number {
    return this.#now;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

export interface Answer<Data> {
  status: number;
  headers: Headers;
  data?: Data | null;
  errors?: GraphQLFormattedError[];
  text: string;
}

export type App = Awaited<ReturnType<typeof makeApp>>;

/**
 * Shared by the apps of a process, because each thread needs a second of CPU time to load the password rating. Idle
 * threads do not keep a process running.
 */
const passwordThreads = new PasswordThreads();

/**
 * Starts the real app on a free port, with frozen time, on an empty database or the one given. The app is closed when
 * the test file ends, unless the test has closed it.
 */
export async function makeApp(
  options: {
    database?: DatabaseKind;
    databaseUrl?: string;
    env?: NodeJS.ProcessEnv;
    config?: Partial<Config>;
    clock?: Clock;
    port?: number;
    /** For an app whose passwords must not wait behind those of another app. */
    ownPasswordThreads?: boolean;
  } = {},
) {
  const databaseUrl = options.databaseUrl ?? (await migratedDatabaseUrl(options.database ?? "sqlite"));
  const env = {
    SECRET_KEY,
    PUBLIC_URL: "http://localhost:4000",
    TRUST_PROXY: "loopback",
    ...options.env,
  };
  const config: Config = {
    ...loadConfig({ ...env, DATABASE_URL: databaseUrl, LOG_LEVEL: "trace" }),
    bcryptCost: 4,
    shutdownDelaySeconds: 0,
    ...options.config,
  };
  const clock = options.clock ?? new FrozenClock();
  const seen: string[] = [];
  const undescribed: string[] = [];
  const logger = createLogger(config, {
    write: (line) => {
      seen.push(line);
      keepSeen(line);
    },
  });
  const threads = options.ownPasswordThreads ? {} : { passwordThreads };
  const latchkey = compose(config, { logger, clock, ...threads });
  if (options.databaseUrl !== undefined) await migrate(config.database);
  await ping(latchkey.db);
  const schema = composeSchema(latchkey, config);
  const server = await composeServer(config, latchkey, { schema, logger });
  const address = await server.listen({ host: "127.0.0.1", port: options.port ?? 0 });

  async function request(path: string, init: RequestInit = {}) {
    const answer = await fetchText(`${address}${path}`, init);
    seen.push(answer.text, JSON.stringify([...answer.headers]));
    return answer;
  }

  async function post(body: unknown, options: RequestOptions = {}): Promise<Answer<unknown>> {
    const answer = await request("/graphql", {
      method: "POST",
      headers: headersOf(options),
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    const parsed = answer.text.startsWith("{") ? JSON.parse(answer.text) : {};
    const query = (body as { query?: unknown } | null)?.query;
    if (typeof query === "string") undescribed.push(...undescribedErrors(schema, query, parsed.errors ?? []));
    return { ...parsed, ...answer };
  }

  async function send<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    options?: RequestOptions,
  ): Promise<Answer<Data>> {
    return (await post({ query: print(document), variables }, options)) as Answer<Data>;
  }

  async function close() {
    await server.close();
    await latchkey.close();
    const leak = seen.find((text) => SECRETS.test(text));
    if (undescribed.length > 0)
      throw new Error(
        `descriptions do not name all errors of their fields: ${[...new Set(undescribed)].join(", ")}`,
      );
    if (leak !== undefined) throw new Error(`a secret in a response or a log: ${leak}`);
  }
  let closed: Promise<void> | undefined;
  const closeOnce = () => {
    closed ??= close().finally(forget);
    return closed;
  };
  const forget = closeWithFile(closeOnce);

  return {
    address,
    schema,
    clock: clock as FrozenClock,
    config,
    databaseUrl,
    latchkey,
    server,
    /** Every response and log line. */
    seen,
    request,
    post,
    send,
    /** Creates a user with the password of the tests. */
    async createUser(username: string, password = PASSWORD, roles: Role[] = []) {
      const account = { username, email: `${username}@example.com`, fullName: null, roles };
      return latchkey.operator.create(account, password);
    },
    async login(username: string, password = PASSWORD) {
      const { data, errors } = await send(LOGIN, { username, password });
      if (!data) throw new Error(`login failed: ${JSON.stringify(errors)}`);
      return withRefreshToken(data.login);
    },
    /** Closes the app. Fails if a secret was seen. A second call does nothing. */
    close: closeOnce,
  };
}

/** The tokens of a session that has just been started or refreshed: only a reauthentication returns no refresh token. */
export function withRefreshToken<T extends { refreshToken?: string | null }>(token: T) {
  if (!token.refreshToken) throw new Error("the answer has no refresh token");
  return { ...token, refreshToken: token.refreshToken };
}

export interface RequestOptions {
  token?: string;
  /** The caller's IP address, as a trusted proxy reports it. */
  from?: string;
  headers?: Record<string, string>;
}

/** The headers of a GraphQL request. */
export function headersOf({ token, from, headers }: RequestOptions): Record<string, string> {
  return {
    "content-type": "application/json",
    ...(from !== undefined && { "x-forwarded-for": from }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...headers,
  };
}

async function fetchText(url: string, init: RequestInit) {
  const response = await fetch(url, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}
