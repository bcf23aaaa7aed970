import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MINUTE } from "../../src/clock.js";
import { AccessTokens, MAX_REMEMBERED } from "../../src/crypto/access-tokens.js";
import { SecretKeyRing } from "../../src/crypto/key-ring.js";
import { type App, FrozenClock, makeApp, SECRET_KEY } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { LOGOUT, ME } from "../support/operations.js";
import { makeUser } from "../support/users.js";

describe.each(DATABASES)("a token that was verified before, on %s", (database) => {
  let clock: FrozenClock;
  let app: App;
  beforeAll(async () => {
    clock = new FrozenClock();
    app = await makeApp({ database, clock });
  });
  afterAll(() => app.close());

  /** Signs a user in, and uses the token twice. */
  async function useToken() {
    const user = await makeUser(app);
    for (let n = 0; n < 2; n++) expect(await reasonFor(user.token)).toBeUndefined();
    return user;
  }
  async function reasonFor(token: string) {
    const { status, errors } = await app.send(ME, {}, { token });
    expect(status).toBe(errors ? 401 : 200);
    return errors?.[0]?.extensions?.["reason"];
  }

  test("is refused on the next request after its session ended", async () => {
    const { token } = await useToken();
    expect((await app.send(LOGOUT, {}, { token })).data).toEqual({ logout: true });
    expect(await reasonFor(token)).toBe("SESSION_REVOKED");
  });

  test("is refused on the next request after its user was disabled", async () => {
    const { token, username } = await useToken();
    await app.latchkey.operator.disable(username);
    expect(await reasonFor(token)).toBe("ACCOUNT_DISABLED");
  });

  test("is refused once it has expired, and works again only where the clock is set back", async () => {
    const { token } = await useToken();
    clock.advance(15 * MINUTE - 1);
    expect(await reasonFor(token)).toBeUndefined();
    clock.advance(1);
    expect(await reasonFor(token)).toBe("TOKEN_EXPIRED");
    clock.advance(-15 * MINUTE);
    expect(await reasonFor(token)).toBeUndefined();
  });

  test("is refused by a process whose clock is set back to long before it was issued", async () => {
    const { token } = await useToken();
    clock.advance(-MINUTE);
    expect(await reasonFor(token)).toBe("INVALID_TOKEN");
    clock.advance(MINUTE);
    expect(await reasonFor(token)).toBeUndefined();
  });

  test("does not vouch for another token with the same header and claims", async () => {
    const { token } = await useToken();
    const { token: other } = await useToken();
    const body = token.slice(0, token.lastIndexOf("."));
    const signature = other.slice(other.lastIndexOf("."));
    expect(await reasonFor(body + signature)).toBe("INVALID_TOKEN");
    expect(await reasonFor(token)).toBeUndefined();
  });

  // The last: it replaces the key of all the tokens above.
  test("is refused on the next request after its key was retired", async () => {
    const { token } = await useToken();
    const keys = app.latchkey.signingKeys!;
    const [old] = await keys.list();
    await keys.rotate();
    clock.advance(2 * MINUTE);
    // The keys were loaded again, and the token is still good.
    expect(await reasonFor(token)).toBeUndefined();
    await keys.retire(old!.kid);
    expect(await reasonFor(token)).toBe("INVALID_TOKEN");
  });
});

test(`no more than ${MAX_REMEMBERED} tokens are remembered, and none that was refused`, async () => {
  const clock = new FrozenClock();
  const tokens = new AccessTokens({
    keys: new SecretKeyRing(() => SECRET_KEY),
    clock,
    issuer: "http://localhost:4000",
    audience: "latchkey",
    lifetimeSeconds: 60,
  });
  const claims = {
    sub: "user",
    sid: "00000000-0000-7000-8000-000000000000",
    amr: ["pwd"],
    auth_time: 0,
    roles: ["USER"],
    scope: "",
  };
  const issue = async (n: number) => {
    const { token } = await tokens.issue({ ...claims, jti: String(n) }, Number.MAX_SAFE_INTEGER);
    return token;
  };
  const good = await issue(0);
  expect((await tokens.verify(`${good.slice(0, -4)}AAAA`)).valid).toBe(false);
  expect((await tokens.verify("x.y.z")).valid).toBe(false);
  expect(tokens.remembered).toBe(0);
  for (let n = 0; n < MAX_REMEMBERED + 100; n++)
    expect((await tokens.verify(await issue(n))).valid).toBe(true);
  expect(tokens.remembered).toBe(MAX_REMEMBERED);
});
