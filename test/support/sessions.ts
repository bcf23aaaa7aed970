import { expect } from "@jest/globals";
import { decodeJwt } from "jose";
import { MINUTE } from "../../src/clock.js";
import { type App, PASSWORD, withRefreshToken } from "./app.js";
import { ME, REAUTHENTICATE, REFRESH } from "./operations.js";
import { makeUser } from "./users.js";

/** Returns the id of the session of an access token. */
export const sidOf = (accessToken: string) => decodeJwt(accessToken)["sid"] as string;

/** How long an authentication counts as recent. */
export const RECENT = 10 * MINUTE;

/** Proves again who the user of an access token is, and returns the new access token of the session. */
export async function reauthenticated(
  app: App,
  token: string,
  proof: { password: string } | { code: string } = { password: PASSWORD },
): Promise<string> {
  const { data, errors } = await app.send(REAUTHENTICATE, proof, { token });
  if (!data) throw new Error(`reauthentication failed: ${JSON.stringify(errors)}`);
  return data.reauthenticate.accessToken;
}

/** Actions on sessions, of the app that `appOf` returns unless another is given. */
export function sessionsOn(appOf: () => App) {
  const signIn = (on = appOf()) => makeUser(on);

  async function refresh(refreshToken: string, on = appOf()) {
    const { data, errors } = await on.send(REFRESH, { refreshToken });
    if (!data) throw new Error(`refresh failed: ${JSON.stringify(errors)}`);
    return withRefreshToken(data.refreshToken);
  }

  async function expectRefused(refreshToken: string, on = appOf()) {
    const { status, data, errors } = await on.send(REFRESH, { refreshToken });
    expect([status, data]).toEqual([200, null]);
    expect(errors).toEqual([
      expect.objectContaining({
        message: "The refresh token is unknown, used or expired. Log in again.",
        extensions: { code: "INVALID_TOKEN" },
      }),
    ]);
  }

  async function reasonFor(token: string, on = appOf()) {
    const { errors } = await on.send(ME, {}, { token });
    return errors?.[0]?.extensions?.["reason"];
  }

  return { signIn, refresh, expectRefused, reasonFor };
}
