import type { Answer, RequestOptions } from "./app.js";

/** The options of a request that keeps its session in a cookie, and sends this one. */
export function withCookie(refreshToken?: string, headers: Record<string, string> = {}): RequestOptions {
  return {
    headers: {
      "latchkey-session": "cookie",
      ...(refreshToken !== undefined && { cookie: `latchkey-refresh=${encodeURIComponent(refreshToken)}` }),
      ...headers,
    },
  };
}

/** The refresh token in the cookie that an answer sets. */
export function cookieOf({ headers }: Pick<Answer<unknown>, "headers">): string {
  const [, value] = /^[\w-]+=([^;]+);/.exec(headers.get("set-cookie") ?? "") ?? [];
  if (value === undefined) throw new Error("the answer sets no cookie");
  return value;
}
