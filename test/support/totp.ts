import { Secret, TOTP } from "otpauth";
import type { App } from "./app.js";
import { PASSWORD } from "./app.js";
import { CONFIRM_TOTP, SIGN_IN, START_TOTP } from "./operations.js";
import { makeUser } from "./users.js";

/** The code that an authenticator app with this secret shows at a time, epoch milliseconds. */
export function totpCode(secret: string, at: number): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: at });
}

/** Adds an authenticator app to a signed-in user, and moves to the next time step: the code of this one is used. */
export async function enrollTotp(app: App, token: string, from: { from?: string } = {}) {
  const { data } = await app.send(START_TOTP, {}, { token, ...from });
  const { secret } = data!.startTotpEnrollment;
  const code = totpCode(secret, app.clock.now());
  const confirmed = await app.send(CONFIRM_TOTP, { code }, { token, ...from });
  if (!confirmed.data) throw new Error(`enrollment failed: ${JSON.stringify(confirmed.errors)}`);
  app.clock.advance(30_000);
  return {
    recoveryCodes: confirmed.data.confirmTotpEnrollment,
    /** The code that the app shows now, or in some time steps. */
    code: (steps = 0) => totpCode(secret, app.clock.now() + steps * 30_000),
  };
}

/** Creates a user with an authenticator app, and signs them in without it. */
export async function makeMfaUser(app: App, username?: string) {
  const user = await makeUser(app, username);
  return { ...user, ...(await enrollTotp(app, user.token)) };
}

/** Signs in with the password, and returns the challenge to prove a second factor. */
export async function challengeFor(app: App, username: string, options?: { from?: string }) {
  const { data, errors } = await app.send(SIGN_IN, { username, password: PASSWORD }, options);
  if (data?.signIn.__typename !== "MfaChallenge") throw new Error(`no challenge: ${JSON.stringify(errors)}`);
  return data.signIn.challenge;
}
