import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { buildSchema } from "graphql";
import { decodeJwt } from "jose";
import { MINUTE } from "../src/clock.js";
import type { TokenPurpose } from "../src/storage/one-time-tokens.js";
import { CREATE_USER } from "./support/administration-operations.js";
import { type Answer, type App, makeApp, NEW_PASSWORD, PASSWORD, withRefreshToken } from "./support/app.js";
import { registerPasskey, type SoftwareAuthenticator } from "./support/authenticator.js";
import { withCookie } from "./support/cookies.js";
import { DATABASES } from "./support/databases.js";
import { emailedToken } from "./support/emails.js";
import {
  ACCEPT_INVITATION,
  CONFIRM_EMAIL_CHANGE,
  CONFIRM_TOTP,
  LOGOUT,
  ME,
  PASSKEY_OPTIONS,
  REAUTHENTICATE,
  REFRESH,
  REGISTER,
  REQUEST_EMAIL_CHANGE,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  START_TOTP,
  VERIFY_EMAIL,
  VERIFY_PASSKEY,
  VERIFY_RECOVERY_CODE,
  VERIFY_TOTP,
} from "./support/operations.js";
import { reauthenticated } from "./support/sessions.js";
import { INTROSPECTION_SECRET, postForm } from "./support/tokens.js";
import { challengeFor, makeMfaUser, totpCode } from "./support/totp.js";
import { makeUser, type SignedIn } from "./support/users.js";

/** In milliseconds. */
const TOTP_STEP = 30_000;

/** Data, if the token is good: null with an error. */
const NOBODY = `{ _entities(representations: [{ __typename: "User", id: "0190a0a0-0000-7000-8000-000000000000" }]) { __typename } }`;

/** A place that accepts a token. */
interface Place {
  /** Its argument in the schema, if it is a GraphQL field. */
  argument?: string;
  /** Sends the token. Returns "taken", or the code of the refusal. */
  take(app: App, token: string): Promise<string>;
  /** The code of its refusal for a token of another kind. */
  refusal(token: string): string;
}

const codeOf = ({ data, errors }: Answer<unknown>) =>
  data ? "taken" : ((errors?.[0]?.extensions?.["reason"] ?? errors?.[0]?.extensions?.["code"]) as string);
const errorOf = ({ json }: { json: { error?: string } }) => json.error ?? "taken";
const always = (code: string) => () => code;
/** Arguments refuse any text that is longer than their tokens. */
const ofArgument = (token: string) => (token.length > 200 ? "BAD_USER_INPUT" : "INVALID_TOKEN");
const ofCode = (code: string) => (code.length > 100 ? "BAD_USER_INPUT" : "INVALID_CREDENTIALS");

/** Who has an authenticator app, and who has begun to add one: the places for codes check those of these two. */
let owner: Awaited<ReturnType<typeof makeMfaUser>>;
let beginner: SignedIn & { secret: string };
/** What holds the owner's passkey. */
let authenticator: SoftwareAuthenticator;
/** A live access token of one of them, by refreshing: no session starts. */
async function tokenOf(app: App, user: SignedIn): Promise<string> {
  const { data } = await app.send(REFRESH, { refreshToken: user.refreshToken });
  const refreshed = withRefreshToken(data!.refreshToken);
  user.refreshToken = refreshed.refreshToken;
  return refreshed.accessToken;
}

const PLACES = {
  "the bearer of me": {
    take: async (app, token) => codeOf(await app.send(ME, {}, { token })),
    refusal: always("INVALID_TOKEN"),
  },
  "the bearer of _entities": {
    take: async (app, token) => codeOf(await app.post({ query: NOBODY }, { token })),
    refusal: always("INVALID_TOKEN"),
  },
  refreshToken: {
    argument: "refreshToken.refreshToken",
    take: async (app, refreshToken) => codeOf(await app.send(REFRESH, { refreshToken })),
    refusal: ofArgument,
  },
  "the cookie of refreshToken": {
    take: async (app, token) => codeOf(await app.send(REFRESH, {}, withCookie(token))),
    refusal: always("INVALID_TOKEN"),
  },
  "the cookie of me": {
    take: async (app, token) => codeOf(await app.send(ME, {}, withCookie(token))),
    refusal: always("MISSING_TOKEN"),
  },
  // It answers true for any refresh token, so check whether a session has ended.
  logout: {
    argument: "logout.refreshToken",
    take: (app, refreshToken) => ending(app, () => app.send(LOGOUT, { refreshToken })),
    refusal: (token) => (token.length > 200 ? "BAD_USER_INPUT" : "ignored"),
  },
  "the cookie of logout": {
    take: (app, token) => ending(app, () => app.send(LOGOUT, {}, withCookie(token))),
    refusal: always("ignored"),
  },
  verifyEmail: {
    argument: "verifyEmail.token",
    take: async (app, token) => codeOf(await app.send(VERIFY_EMAIL, { token })),
    refusal: always("INVALID_TOKEN"),
  },
  resetPassword: {
    argument: "resetPassword.token",
    take: async (app, token) => codeOf(await app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD })),
    refusal: always("INVALID_TOKEN"),
  },
  acceptInvitation: {
    argument: "acceptInvitation.token",
    take: async (app, token) => codeOf(await app.send(ACCEPT_INVITATION, { token, password: NEW_PASSWORD })),
    refusal: always("INVALID_TOKEN"),
  },
  confirmEmailChange: {
    argument: "confirmEmailChange.token",
    take: async (app, token) => codeOf(await app.send(CONFIRM_EMAIL_CHANGE, { token })),
    refusal: always("INVALID_TOKEN"),
  },
  "the challenge of verifyTotp": {
    argument: "verifyTotp.challenge",
    take: async (app, challenge) => codeOf(await app.send(VERIFY_TOTP, { challenge, code: owner.code() })),
    refusal: ofArgument,
  },
  "the challenge of verifyRecoveryCode": {
    argument: "verifyRecoveryCode.challenge",
    take: async (app, challenge) =>
      codeOf(await app.send(VERIFY_RECOVERY_CODE, { challenge, code: owner.recoveryCodes[0]! })),
    refusal: ofArgument,
  },
  "the challenge of passkeyOptions": {
    argument: "passkeyOptions.challenge",
    take: async (app, challenge) => codeOf(await app.send(PASSKEY_OPTIONS, { challenge })),
    refusal: ofArgument,
  },
  "the challenge of verifyPasskey": {
    argument: "verifyPasskey.challenge",
    async take(app, challenge) {
      const credential = authenticator.get({ challenge });
      return codeOf(await app.send(VERIFY_PASSKEY, { challenge, credential }));
    },
    refusal: ofArgument,
  },
  "the code of verifyTotp": {
    argument: "verifyTotp.code",
    async take(app, code) {
      const challenge = await challengeFor(app, owner.username);
      return codeOf(await app.send(VERIFY_TOTP, { challenge, code }));
    },
    refusal: ofCode,
  },
  "the code of verifyRecoveryCode": {
    argument: "verifyRecoveryCode.code",
    async take(app, code) {
      const challenge = await challengeFor(app, owner.username);
      return codeOf(await app.send(VERIFY_RECOVERY_CODE, { challenge, code }));
    },
    refusal: ofCode,
  },
  "the code of reauthenticate": {
    argument: "reauthenticate.code",
    take: async (app, code) =>
      codeOf(await app.send(REAUTHENTICATE, { code }, { token: await tokenOf(app, owner) })),
    refusal: ofCode,
  },
  "the code of confirmTotpEnrollment": {
    argument: "confirmTotpEnrollment.code",
    async take(app, code) {
      const token = await reauthenticated(app, await tokenOf(app, beginner));
      return codeOf(await app.send(CONFIRM_TOTP, { code }, { token }));
    },
    refusal: ofCode,
  },
  "/token": {
    take: async (app, refresh_token) =>
      errorOf(await postForm(app, "/token", { grant_type: "refresh_token", refresh_token })),
    refusal: always("invalid_grant"),
  },
  // Its answer is always the same (RFC 7009, 2.2), so check whether a session has ended.
  "/revoke": {
    take: async (app, token) => {
      const before = await liveSessions(app);
      const { status, text } = await postForm(app, "/revoke", { token });
      expect([status, text]).toEqual([200, ""]);
      return (await liveSessions(app)) < before ? "taken" : "ignored";
    },
    refusal: always("ignored"),
  },
  "/introspect": {
    take: async (app, token) => {
      const secret = { authorization: `Bearer ${INTROSPECTION_SECRET}` };
      const { status, json, text } = await postForm(app, "/introspect", { token }, secret);
      expect(status).toBe(200);
      return json.active ? "taken" : text;
    },
    refusal: always('{"active":false}'),
  },
  "who asks /introspect": {
    take: async (app, token) => {
      const answers = [`Bearer ${token}`, `Basic ${Buffer.from(`app:${token}`).toString("base64")}`].map(
        async (authorization) =>
          errorOf(await postForm(app, "/introspect", { token: "x" }, { authorization })),
      );
      const [bearer, basic] = await Promise.all(answers);
      expect(bearer).toBe(basic);
      return bearer!;
    },
    refusal: always("invalid_client"),
  },
} satisfies Record<string, Place>;
type PlaceName = keyof typeof PLACES;

/** Returns "taken" when a request ends a session, "ignored" when it ends none, or the code of its error. */
async function ending(app: App, request: () => Promise<Answer<unknown>>): Promise<string> {
  const before = await liveSessions(app);
  const answer = codeOf(await request());
  if (answer !== "taken") return answer;
  return (await liveSessions(app)) < before ? "taken" : "ignored";
}

/** A kind of token: how to obtain one, and which places accept it. */
interface Kind {
  issue(app: App): Promise<string>;
  goodAt: PlaceName[];
  /** Places that refuse it with another code, or where sending it has an effect. */
  except?: Partial<Record<PlaceName, string | "not tried">>;
}

let users = 0;

/** The type requires every purpose to be here. */
const EMAILED: Record<TokenPurpose, Kind> = {
  EMAIL_VERIFICATION: {
    async issue(app) {
      const [username, email] = [`new-${users++}`, `new-${users}@example.com`];
      await app.send(REGISTER, { input: { username, email, password: PASSWORD } });
      return emailedToken(app, email);
    },
    goodAt: ["verifyEmail"],
  },
  PASSWORD_RESET: {
    async issue(app) {
      const { email } = await makeUser(app);
      await app.send(REQUEST_PASSWORD_RESET, { email });
      return emailedToken(app, email);
    },
    goodAt: ["resetPassword"],
  },
  INVITATION: {
    async issue(app) {
      const [username, email] = [`invited-${users++}`, `invited-${users}@example.com`];
      const { accessToken: token } = await app.login("admin");
      await app.send(CREATE_USER, { input: { username, email } }, { token });
      return emailedToken(app, email);
    },
    goodAt: ["acceptInvitation"],
  },
  EMAIL_CHANGE: {
    async issue(app) {
      const { accessToken: token, email } = await makeUser(app);
      const newEmail = `changed-${email}`;
      await app.send(REQUEST_EMAIL_CHANGE, { newEmail }, { token });
      return emailedToken(app, newEmail);
    },
    goodAt: ["confirmEmailChange"],
  },
};

const KINDS: Record<string, Kind> = {
  ...EMAILED,
  "an access token": {
    issue: async (app) => (await makeUser(app)).accessToken,
    goodAt: ["the bearer of me", "the bearer of _entities", "/introspect", "/revoke"],
  },
  "a refresh token": {
    issue: async (app) => (await makeUser(app)).refreshToken,
    goodAt: [
      "refreshToken",
      "the cookie of refreshToken",
      "/token",
      "/revoke",
      "logout",
      "the cookie of logout",
    ],
  },
  "an expired access token": {
    async issue(app) {
      const { accessToken } = await makeUser(app);
      app.clock.advance(15 * MINUTE);
      return accessToken;
    },
    goodAt: [],
    except: { "the bearer of me": "TOKEN_EXPIRED", "the bearer of _entities": "TOKEN_EXPIRED" },
  },
  // Its use ends the session: test/graphql/refresh-tokens.test.ts.
  "a consumed refresh token": {
    async issue(app) {
      const { refreshToken } = await makeUser(app);
      await app.send(REFRESH, { refreshToken });
      app.clock.advance(11_000);
      return refreshToken;
    },
    goodAt: ["/revoke", "logout", "the cookie of logout"],
    except: { refreshToken: "not tried", "the cookie of refreshToken": "not tried", "/token": "not tried" },
  },
  "a consumed token from an email": {
    async issue(app) {
      const token = await EMAILED.EMAIL_VERIFICATION.issue(app);
      await app.send(VERIFY_EMAIL, { token });
      // Until then `verifyEmail` answers true again, without any effect.
      app.clock.advance(MINUTE);
      return token;
    },
    goodAt: [],
  },
  "a challenge": {
    issue: (app) => challengeFor(app, owner.username),
    goodAt: [
      "the challenge of verifyTotp",
      "the challenge of verifyRecoveryCode",
      "the challenge of passkeyOptions",
      "the challenge of verifyPasskey",
    ],
    // It changes nothing: it answers with the same challenge each time.
    except: { "the challenge of passkeyOptions": "taken" },
  },
  "a consumed challenge": {
    async issue(app) {
      const challenge = await challengeFor(app, owner.username);
      await app.send(VERIFY_TOTP, { challenge, code: owner.code() });
      app.clock.advance(TOTP_STEP);
      return challenge;
    },
    goodAt: [],
  },
  "an expired challenge": {
    async issue(app) {
      const challenge = await challengeFor(app, owner.username);
      app.clock.advance(5 * MINUTE);
      return challenge;
    },
    goodAt: [],
  },
  "a code of an authenticator app": {
    async issue(app) {
      app.clock.advance(TOTP_STEP);
      return owner.code();
    },
    goodAt: ["the code of verifyTotp", "the code of reauthenticate"],
  },
  "a code of an authenticator app that is not confirmed": {
    issue: async (app) => totpCode(beginner.secret, app.clock.now()),
    goodAt: ["the code of confirmTotpEnrollment"],
  },
  "a recovery code": {
    issue: async () => owner.recoveryCodes[1]!,
    goodAt: ["the code of verifyRecoveryCode"],
  },
  "a consumed recovery code": {
    async issue(app) {
      const code = owner.recoveryCodes[2]!;
      await app.send(VERIFY_RECOVERY_CODE, { challenge: await challengeFor(app, owner.username), code });
      return code;
    },
    goodAt: [],
  },
  "the secret of an authenticator app": { issue: async () => beginner.secret, goodAt: [] },
  INTROSPECTION_SECRET: { issue: async () => INTROSPECTION_SECRET, goodAt: ["who asks /introspect"] },
  "a session's id": {
    issue: async (app) => decodeJwt((await makeUser(app)).accessToken)["sid"] as string,
    goodAt: [],
  },
  "an access token's id": {
    issue: async (app) => decodeJwt((await makeUser(app)).accessToken).jti!,
    goodAt: [],
  },
  "a user's id": { issue: async (app) => (await makeUser(app)).user.id, goodAt: [] },
  "a token's hash, as the database has it": {
    async issue(app) {
      await makeUser(app);
      const { refresh_token_hash: hash } = await app.latchkey.db
        .selectFrom("sessions")
        .select("refresh_token_hash")
        .executeTakeFirstOrThrow();
      return hash!;
    },
    goodAt: [],
  },
};

async function liveSessions(app: App): Promise<number> {
  const rows = await app.latchkey.db
    .selectFrom("sessions")
    .select("id")
    .where("ended_at", "is", null)
    .execute();
  return rows.length;
}

describe.each(DATABASES)(
  "every kind of token at every place that accepts one, on %s (row 27)",
  (database) => {
    let app: App;
    beforeAll(async () => {
      app = await makeApp({ database, env: { INTROSPECTION_SECRET, FEDERATION: "on" } });
      const admin = { username: "admin", email: "admin@example.com", fullName: null };
      await app.latchkey.operator.create({ ...admin, roles: ["ADMIN"] }, PASSWORD);
      owner = await makeMfaUser(app);
      ({ authenticator } = await registerPasskey(app, owner.token));
    });
    beforeEach(async () => {
      const user = await makeUser(app);
      const { data } = await app.send(START_TOTP, {}, { token: user.token });
      beginner = { ...user, secret: data!.startTotpEnrollment.secret };
    });
    afterAll(() => app.close());

    /** Sends a token to every place that should refuse it, without any effect. */
    async function sendElsewhere(token: string, { goodAt, except = {} }: Kind) {
      const before = await liveSessions(app);
      const answers: Record<string, string> = {};
      const expected: Record<string, string> = {};
      for (const name of Object.keys(PLACES) as PlaceName[]) {
        if (goodAt.includes(name) || except[name] === "not tried") continue;
        // So that no guess is refused for those before it.
        await app.latchkey.db.deleteFrom("attempts").execute();
        answers[name] = await PLACES[name].take(app, token);
        expected[name] = except[name] ?? PLACES[name].refusal(token);
      }
      expect(answers).toEqual(expected);
      expect(await liveSessions(app)).toBe(before);
    }

    const accepted = Object.entries(KINDS).flatMap(([name, kind]) =>
      kind.goodAt.map((place) => [name, place, kind] as const),
    );
    test.each(accepted)(
      "%s is accepted by %s, after all other places refused it",
      async (_name, place, kind) => {
        const token = await kind.issue(app);
        await sendElsewhere(token, kind);
        expect(await PLACES[place].take(app, token)).toBe("taken");
      },
    );

    const useless = Object.entries(KINDS).filter(([, { goodAt }]) => goodAt.length === 0);
    test.each(useless)("%s is accepted nowhere", async (_name, kind) => {
      await sendElsewhere(await kind.issue(app), kind);
    });

    test.each(["refreshToken", "the cookie of refreshToken", "/token"] as const)(
      "a consumed refresh token is refused by %s",
      async (place) => {
        const token = await KINDS["a consumed refresh token"]!.issue(app);
        expect(await PLACES[place].take(app, token)).toBe(PLACES[place].refusal(token));
      },
    );
  },
);

test("every argument of the schema that accepts a token is among the places", () => {
  const schema = buildSchema(readFileSync("schema.graphql", "utf8"));
  const fields = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
    Object.values(type.getFields()),
  );
  const taking = fields.flatMap(({ name, args }) =>
    args.filter((arg) => /token|secret|challenge|code/i.test(arg.name)).map((arg) => `${name}.${arg.name}`),
  );
  const places = Object.values(PLACES).flatMap((place: Place) => place.argument ?? []);
  expect(places.sort()).toEqual(taking.sort());
});
