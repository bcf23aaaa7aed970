import { parseCookie, stringifySetCookie } from "cookie";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Clock, SECOND } from "../clock.js";
import { LatchkeyError } from "../errors.js";
import type { RefreshCookie } from "../graphql/token.js";
import type { Refresh } from "../services/sessions/refresh.js";
import { callerOf } from "./caller.js";
import { refusal } from "./failures.js";
import { isLoopbackHost } from "./own-host.js";

/** With `cookie` as its value, a request asks to keep the session's refresh token in a cookie. */
const HEADER = "latchkey-session";

export interface RefreshCookiesOptions {
  refresh: Refresh;
  clock: Clock;
  publicUrl: string;
  production: boolean;
  /** The origins besides the API's own whose pages may keep a session in a cookie. */
  origins: readonly string[];
}

/** Keeps refresh tokens in cookies that scripts cannot read. */
export class RefreshCookies {
  readonly #options: RefreshCookiesOptions;
  readonly #origins: ReadonlySet<string>;
  readonly #attributes;

  constructor(options: RefreshCookiesOptions) {
    const { publicUrl, production, origins } = options;
    this.#options = options;
    this.#origins = new Set([new URL(publicUrl).origin, ...origins]);
    const secure = production || publicUrl.startsWith("https:");
    this.#attributes = {
      // With the prefix, browsers accept it only with these attributes, and from no sibling domain (RFC 6265bis, 4.1.3.2).
      name: secure ? "__Host-latchkey-refresh" : "latchkey-refresh",
      secure,
      httpOnly: true,
      sameSite: "strict",
      path: "/",
    } as const;
  }

  /**
   * The cookie of a request; undefined when the request does not ask for one.
   * @throws FORBIDDEN for a page of another origin; a refusal for an unknown value of the header
   */
  of(request: FastifyRequest, reply: FastifyReply): RefreshCookie | undefined {
    const asked = request.headers[HEADER];
    if (asked === undefined) return undefined;
    if (asked !== "cookie") throw refusal(400, "Latchkey-Session must be cookie.");
    this.#checkOrigin(request);
    const { clock, refresh } = this.#options;
    const attributes = this.#attributes;
    // An empty cookie is one that a client cleared by hand.
    const value = parseCookie(request.headers.cookie ?? "")[attributes.name] || undefined;
    const write = (token: string, maxAge: number) =>
      reply.header("set-cookie", stringifySetCookie({ ...attributes, value: token, maxAge }));
    return {
      value,
      async keep(refreshToken, expiresAt) {
        if (value !== undefined) await refresh.endReplaced(value, refreshToken, callerOf(request));
        write(refreshToken, Math.ceil((expiresAt - clock.now()) / SECOND));
      },
      clear: () => write("", 0),
    };
  }

  /** Programs other than browsers send no `Origin`, and browsers send it with every POST (Fetch, 3.1). */
  #checkOrigin({ headers: { origin, host }, protocol }: FastifyRequest): void {
    if (origin === undefined || this.#origins.has(origin)) return;
    const { production } = this.#options;
    // In development the server has several names and ports.
    if (!production && isLoopbackHost(host) && origin === `${protocol}://${host}`) return;
    throw new LatchkeyError(
      "FORBIDDEN",
      "This origin may not keep sessions in cookies. Add it to CORS_ORIGINS.",
    );
  }
}
