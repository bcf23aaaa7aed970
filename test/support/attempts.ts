import { expect } from "@jest/globals";
import type { App } from "./app.js";
import { LOGIN } from "./operations.js";

export const WRONG = "CANARY-wrong";

/** Returns an address in a different network for each number. */
export const network = (n: number) => `198.51.${Math.floor(n / 250)}.${(n % 250) + 1}`;

/** Logins from a network. `appOf` is called at each use, because `beforeAll` creates the app. */
export function attemptsOn(appOf: () => App) {
  async function login(username: string, password: string, from: string) {
    const { status, headers, data, errors } = await appOf().send(LOGIN, { username, password }, { from });
    const { message, extensions = {} } = errors?.[0] ?? {};
    const outcome = data ? "OK" : (extensions["code"] as string);
    return {
      outcome,
      status,
      message,
      retryAfter: extensions["retryAfter"],
      header: headers.get("retry-after"),
    };
  }

  async function fail(times: number, username: string, from: string) {
    for (let n = 0; n < times; n++) {
      expect((await login(username, WRONG, from)).outcome).toBe("INVALID_CREDENTIALS");
    }
  }

  return { login, fail };
}
