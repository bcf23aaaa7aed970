import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql";
import { MINUTE } from "../../src/clock.js";
import type { Role } from "../../src/storage/users.js";
import { MY_ITEMS_AS_USER } from "../support/administration-operations.js";
import { codeOf, errorOf } from "../support/answers.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { CREATE_ITEM, DISABLE_TOTP, ME, MY_ITEMS, MY_MFA, START_TOTP } from "../support/operations.js";
import { RECENT, reauthenticated, sidOf } from "../support/sessions.js";
import { enrollTotp } from "../support/totp.js";
import { makeUser } from "../support/users.js";

/** Who may use each root field. The test fails for a field that is missing here. */
const ACCESS: Record<string, "everybody" | "users" | "administrators"> = {
  "Query.settings": "everybody",
  "Query._service": "everybody",
  // The user themselves; an administrator, everybody.
  "Query._entities": "users",
  "Query.me": "users",
  "Query.myMfa": "users",
  "Query.myPasskeys": "users",
  "Query.myItems": "users",
  "Query.mySessions": "users",
  "Query.passwordStrength": "everybody",
  "Query.users": "administrators",
  "Query.user": "administrators",
  "Query.auditEvents": "administrators",
  "Mutation.login": "everybody",
  "Mutation.signIn": "everybody",
  "Mutation.verifyTotp": "everybody",
  "Mutation.verifyRecoveryCode": "everybody",
  "Mutation.passkeyOptions": "everybody",
  "Mutation.verifyPasskey": "everybody",
  "Mutation.reauthenticate": "users",
  "Mutation.startPasskeyReauthentication": "users",
  "Mutation.startPasskeyRegistration": "users",
  "Mutation.registerPasskey": "users",
  "Mutation.renamePasskey": "users",
  "Mutation.deletePasskey": "users",
  "Mutation.startTotpEnrollment": "users",
  "Mutation.confirmTotpEnrollment": "users",
  "Mutation.disableTotp": "users",
  "Mutation.regenerateRecoveryCodes": "users",
  "Mutation.refreshToken": "everybody",
  "Mutation.logout": "users",
  "Mutation.revokeSession": "users",
  "Mutation.revokeOtherSessions": "users",
  "Mutation.register": "everybody",
  "Mutation.verifyEmail": "everybody",
  "Mutation.requestEmailVerification": "everybody",
  "Mutation.requestPasswordReset": "everybody",
  "Mutation.resetPassword": "everybody",
  "Mutation.acceptInvitation": "everybody",
  "Mutation.updateProfile": "users",
  "Mutation.changePassword": "users",
  "Mutation.requestEmailChange": "users",
  "Mutation.confirmEmailChange": "everybody",
  "Mutation.deleteAccount": "users",
  "Mutation.createItem": "users",
  "Mutation.updateItem": "users",
  "Mutation.deleteItem": "users",
  "Mutation.createUser": "administrators",
  "Mutation.updateUser": "administrators",
  "Mutation.disableUser": "administrators",
  "Mutation.enableUser": "administrators",
  "Mutation.setUserRoles": "administrators",
  "Mutation.deleteUser": "administrators",
  "Mutation.resetMfa": "administrators",
  "Mutation.revokeUserSessions": "administrators",
};

/** The fields for users that have no `@auth`, since a refresh token serves too. */
const REFRESH_TOKEN_INSTEAD = ["Mutation.logout"];

/** The fields with `@auth` that a user who must add a second factor can use before that. */
const BEFORE_ENROLLMENT = [
  "Query._entities",
  "Query.me",
  "Query.myMfa",
  "Mutation.reauthenticate",
  "Mutation.startTotpEnrollment",
  "Mutation.confirmTotpEnrollment",
  "Mutation.startPasskeyRegistration",
  "Mutation.registerPasskey",
  // A session from before the factor needs it.
  "Mutation.startPasskeyReauthentication",
];

/** The fields of each object. Whoever receives an object may read all of them. */
const READABLE: Record<string, string> = {
  User: "id username email emailVerified fullName disabled mfaEnabled roles createdAt items",
  Item: "id title description owner createdAt updatedAt",
  Session:
    "id createdAt lastUsedAt expiresAt userAgent ipAddress authenticatedAt authenticationMethods current",
  Token: "accessToken tokenType expiresIn expiresAt refreshToken user",
  MfaChallenge: "challenge methods expiresAt",
  MfaStatus: "enabled totp passkeys recoveryCodesLeft",
  Passkey: "id name synced createdAt lastUsedAt",
  PasskeyOptions: "publicKey expiresAt",
  RegisteredPasskey: "passkey recoveryCodes",
  TotpEnrollment: "secret uri qrCode",
  Registration: "username email",
  PasswordStrength: "score warning suggestions",
  Settings: "registrationOpen passwordMinLength passwordMaxBytes mfaMethods mfaRequiredFor sendsEmail",
  AuditEvent: "id at type actorId subjectId sessionId ipAddress details",
  UserConnection: "edges nodes pageInfo",
  UserEdge: "cursor node",
  AuditEventConnection: "edges nodes pageInfo",
  AuditEventEdge: "cursor node",
  _Service: "sdl",
  PageInfo: "hasNextPage hasPreviousPage startCursor endCursor",
};
/** Except these, which have a guard: test/graphql/user-items.test.ts. */
const GUARDED = ["User.items"];

const ACTORS = [
  "anonymous",
  "expired",
  "disabled",
  "unverified",
  "user",
  "other user",
  "administrator",
] as const;
type Actor = (typeof ACTORS)[number];

const REASONS: Partial<Record<Actor, string>> = {
  anonymous: "MISSING_TOKEN",
  expired: "TOKEN_EXPIRED",
  disabled: "ACCOUNT_DISABLED",
  // Login requires a verified address, so there is no token.
  unverified: "MISSING_TOKEN",
};

const rootFields = ({ schema }: App) =>
  [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
    Object.values(type.getFields()).map((field) => ({ name: `${type.name}.${field.name}`, type, field })),
  );
type RootField = ReturnType<typeof rootFields>[number];

const authOf = ({ extensions }: GraphQLField<unknown, unknown>) =>
  (extensions["directives"] as { auth?: { role: Role; maxAgeSeconds?: number } } | undefined)?.auth;

/** Sends a field with arguments that fit the schema, and returns the extensions of its error. */
async function call(
  app: App,
  { type, field }: RootField,
  { token, id = "0190a0a0-0000-7000-8000-000000000000" }: { token?: string; id?: string | undefined },
) {
  const selection = isLeafType(getNamedType(field.type)) ? "" : " { __typename }";
  const query = `${type.name.toLowerCase()} { ${field.name}${argumentsOf(field.args, id)}${selection} }`;
  const { errors } = await app.post({ query }, token === undefined ? {} : { token });
  return errors?.[0]?.extensions;
}

describe("who may use what", () => {
  let app: App;
  /** Ids of what belongs to another user, by the mutation that they are tried with. */
  let ids: Record<string, string> = {};
  beforeAll(async () => {
    app = await makeApp({ env: { FEDERATION: "on" } });
    const { token, id } = await makeUser(app, "owner");
    const { data } = await app.send(CREATE_ITEM, { input: { title: "mine" } }, { token });
    const item = data!.createItem.id;
    ids = { updateItem: item, deleteItem: item, revokeSession: sidOf(token), _entities: id };
    // So that no other administrator is the last one.
    await makeUser(app, "administrator", ["ADMIN"]);
  });
  afterAll(() => app.close());

  /** Signs in somebody new for each field: some fields end sessions or delete accounts. */
  async function signIn(actor: Actor): Promise<{ token?: string }> {
    if (actor === "anonymous" || actor === "unverified") return {};
    const { username, token } = await makeUser(app, undefined, actor === "administrator" ? ["ADMIN"] : []);
    if (actor === "expired") app.clock.advance(16 * MINUTE);
    if (actor === "disabled") await app.latchkey.operator.disable(username);
    return { token };
  }

  test("every root field has a row, and the schema has the same role (row 59)", () => {
    expect(
      rootFields(app)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(Object.keys(ACCESS).sort());
    const roles = { everybody: undefined, users: "USER", administrators: "ADMIN" };
    for (const { name, field } of rootFields(app))
      expect([name, authOf(field)?.role]).toEqual([
        name,
        REFRESH_TOKEN_INSTEAD.includes(name) ? undefined : roles[ACCESS[name]!],
      ]);
  });

  test("every field of an object has a row, and a guard only where one is expected (row 59)", () => {
    const types = Object.values(app.schema.getTypeMap()).filter(isObjectType);
    const objects = types.filter(({ name }) => !/^(__.*|Query|Mutation)$/.test(name));
    const fields = objects.map((type) => [type.name, Object.keys(type.getFields()).join(" ")]);
    expect(Object.fromEntries(fields)).toEqual(READABLE);
    const guarded = objects.flatMap((type) =>
      Object.values(type.getFields()).flatMap(({ name, extensions }) =>
        extensions["directives"] === undefined ? [] : `${type.name}.${name}`,
      ),
    );
    expect(guarded).toEqual(GUARDED);
  });

  test.each(ACTORS)("%s (row 59)", async (actor) => {
    for (const root of rootFields(app)) {
      const { name, field } = root;
      const access = ACCESS[name]!;
      const id = actor === "other user" ? ids[field.name] : undefined;
      const { code, reason } = (await call(app, root, { ...(await signIn(actor)), id })) ?? {};
      const refused = access !== "everybody" && REASONS[actor] !== undefined;
      if (refused) expect([name, code, reason]).toEqual([name, "UNAUTHENTICATED", REASONS[actor]]);
      else if (access === "administrators" && actor !== "administrator")
        expect([name, code]).toEqual([name, "FORBIDDEN"]);
      else if (id !== undefined) expect([name, code]).toEqual([name, "NOT_FOUND"]);
      else
        expect([
          name,
          ["UNAUTHENTICATED", "FORBIDDEN", "INTERNAL_SERVER_ERROR"].includes(code as string),
        ]).toEqual([name, false]);
    }
  });

  const OWN = { username: "mallory", email: "mallory@example.com" };
  test.each<[string, object, boolean]>([
    ["register", { ...OWN, password: PASSWORD }, false],
    ["updateProfile", { fullName: "Mallory" }, false],
    ["createItem", { title: "mine" }, false],
    ["updateItem", { title: "mine" }, true],
    ["createUser", OWN, false],
    ["updateUser", { fullName: "Mallory" }, true],
  ])("%s accepts only its own fields (row 60)", async (name, own, withId) => {
    const { accessToken: token } = await app.login("administrator");
    const { field } = rootFields(app).find(({ field }) => field.name === name)!;
    const { type } = field.args.find((arg) => arg.name === "input")!;
    const id = withId ? 'id: "0190a0a0-0000-7000-8000-000000000000", ' : "";
    const query = `mutation ($input: ${type}) { ${name}(${id}input: $input) { __typename } }`;
    const codeFor = async (input: object) =>
      (await app.post({ query, variables: { input } }, { token })).errors?.[0]?.extensions?.["code"];
    for (const [extra, value] of Object.entries({
      id: "0190a0a0-0000-7000-8000-000000000001",
      ownerId: "0190a0a0-0000-7000-8000-000000000001",
      // `createUser` has this field.
      ...(name !== "createUser" && { roles: ["ADMIN"] }),
      isAdmin: true,
      disabled: false,
      emailVerified: true,
      passwordHash: "x",
      createdAt: "2026-01-01T00:00:00Z",
    })) {
      expect([extra, await codeFor({ ...own, [extra]: value })]).toEqual([extra, "BAD_USER_INPUT"]);
    }
    expect([undefined, "NOT_FOUND", "CONFLICT"]).toContain(await codeFor(own));
  });
});

/** Nobody is refused for these reasons here. */
const REFUSALS = [
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "REAUTHENTICATION_REQUIRED",
  "MFA_ENROLLMENT_REQUIRED",
  "MFA_REQUIRED",
  "INTERNAL_SERVER_ERROR",
];
const allowed = (name: string, code: unknown) =>
  expect([name, code, REFUSALS.includes(code as string)]).toEqual([name, code, false]);

/** Signed-in users, by their role and whether they have a second factor. */
const VIEWERS = (["USER", "ADMIN"] as const).flatMap((role) =>
  [false, true].map((hasFactor) => ({ role, hasFactor })),
);
type SignedInViewer = (typeof VIEWERS)[number];

async function makeViewer(app: App, { role, hasFactor }: SignedInViewer): Promise<string> {
  const { token } = await makeUser(app, undefined, [role]);
  if (hasFactor) await enrollTotp(app, token);
  return token;
}

/** Returns the token of such a user: the last one's, unless a field has ended the session or changed the factor. */
function viewers(app: App, viewer: SignedInViewer, onNew = () => {}) {
  let token: string | undefined;
  return async () => {
    const mfa = token === undefined ? undefined : (await app.send(MY_MFA, {}, { token })).data?.myMfa;
    if (token === undefined || mfa?.enabled !== viewer.hasFactor) {
      token = await makeViewer(app, viewer);
      onNew();
    }
    return token;
  };
}

describe("who may use what after ten minutes", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env: { FEDERATION: "on" } });
    await makeUser(app, "administrator", ["ADMIN"]);
  });
  afterAll(() => app.close());

  test("the fields that ask for a recent authentication", () => {
    const stepUp = rootFields(app).filter(({ field }) => authOf(field)?.maxAgeSeconds !== undefined);
    expect(stepUp.map(({ field }) => authOf(field)?.maxAgeSeconds)).toEqual(Array(stepUp.length).fill(600));
    const administrations = Object.keys(ACCESS).filter(
      (name) => name.startsWith("Mutation.") && ACCESS[name] === "administrators",
    );
    expect(stepUp.map(({ name }) => name).sort()).toEqual(
      [
        ...administrations,
        "Mutation.changePassword",
        "Mutation.requestEmailChange",
        "Mutation.deleteAccount",
        "Mutation.startTotpEnrollment",
        "Mutation.confirmTotpEnrollment",
        "Mutation.disableTotp",
        "Mutation.startPasskeyRegistration",
        "Mutation.registerPasskey",
        "Mutation.deletePasskey",
        "Mutation.regenerateRecoveryCodes",
      ].sort(),
    );
  });

  test.each(VIEWERS)("%j (row 59)", async (viewer) => {
    const tokenOf = viewers(app, viewer, () => app.clock.advance(RECENT + 1));
    for (const root of rootFields(app)) {
      const { name, field } = root;
      const auth = authOf(field);
      const extensions = await call(app, root, { token: await tokenOf() });
      if (auth?.role === "ADMIN" && viewer.role === "USER")
        expect([name, extensions?.["code"]]).toEqual([name, "FORBIDDEN"]);
      else if (auth?.maxAgeSeconds === undefined) allowed(name, extensions?.["code"]);
      else
        expect([name, extensions]).toEqual([
          name,
          {
            code: "REAUTHENTICATION_REQUIRED",
            maxAge: 600,
            methods: viewer.hasFactor ? ["TOTP"] : ["PASSWORD"],
          },
        ]);
    }
  });
});

describe.each(["none", "admins", "all"] as const)("who may use what with REQUIRE_MFA=%s", (REQUIRE_MFA) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env: { REQUIRE_MFA, FEDERATION: "on" } });
    await makeUser(app, "administrator", ["ADMIN"]);
  });
  afterAll(() => app.close());

  test.each(VIEWERS)("%j (row 59)", async (viewer) => {
    const tokenOf = viewers(app, viewer);
    // The id is another user's, whom an administrator reads as such.
    const isOpen = (name: string) =>
      BEFORE_ENROLLMENT.includes(name) && !(name === "Query._entities" && viewer.role === "ADMIN");
    const required = REQUIRE_MFA === "all" || (REQUIRE_MFA === "admins" && viewer.role === "ADMIN");
    for (const root of rootFields(app)) {
      const { name, field } = root;
      const auth = authOf(field);
      const { code } = (await call(app, root, { token: await tokenOf() })) ?? {};
      if (auth?.role === "ADMIN" && viewer.role === "USER") expect([name, code]).toEqual([name, "FORBIDDEN"]);
      else if (required && !viewer.hasFactor && auth !== undefined && !isOpen(name))
        expect([name, code]).toEqual([name, "MFA_ENROLLMENT_REQUIRED"]);
      else allowed(name, code);
    }
  });
});

describe.each(DATABASES)("a user who must add a second factor, on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database, env: { REQUIRE_MFA: "all" } });
  });
  afterAll(() => app.close());

  test("can sign in, and uses everything with the same token once they have one", async () => {
    const { token } = await makeUser(app);
    const refused = await app.send(MY_ITEMS, {}, { token });
    expect(refused.status).toBe(403);
    expect(errorOf(refused)).toEqual({
      message:
        "Your account needs a second factor. Add an authenticator app with `startTotpEnrollment`, or a passkey with `startPasskeyRegistration`.",
      extensions: { code: "MFA_ENROLLMENT_REQUIRED" },
    });
    expect((await app.send(ME, {}, { token })).data).toBeTruthy();
    await enrollTotp(app, token);
    expect((await app.send(MY_ITEMS, {}, { token })).data).toEqual({ myItems: [] });
    // Without it, they must add another.
    expect((await app.send(DISABLE_TOTP, {}, { token })).data).toEqual({ disableTotp: true });
    expect(codeOf(await app.send(MY_ITEMS, {}, { token }))).toBe("MFA_ENROLLMENT_REQUIRED");
  });

  test("proves again who they are before that, after ten minutes", async () => {
    const { token } = await makeUser(app);
    app.clock.advance(RECENT + 1);
    expect(codeOf(await app.send(MY_ITEMS, {}, { token }))).toBe("MFA_ENROLLMENT_REQUIRED");
    expect(codeOf(await app.send(START_TOTP, {}, { token }))).toBe("REAUTHENTICATION_REQUIRED");
    await enrollTotp(app, await reauthenticated(app, token));
    expect((await app.send(MY_ITEMS, {}, { token })).data).toEqual({ myItems: [] });
  });

  test("cannot read a guarded field of an object that they can read", async () => {
    const { token } = await makeUser(app);
    const answer = await app.send(MY_ITEMS_AS_USER, {}, { token });
    expect([answer.status, answer.data]).toEqual([403, null]);
    expect(answer.errors).toEqual([
      expect.objectContaining({
        path: ["me", "items"],
        extensions: { code: "MFA_ENROLLMENT_REQUIRED" },
      }),
    ]);
    await enrollTotp(app, token);
    expect((await app.send(MY_ITEMS_AS_USER, {}, { token })).data).toEqual({ me: { items: [] } });
  });
});

/** Required arguments, with values that fit the schema. */
function argumentsOf(args: readonly GraphQLArgument[], id: string): string {
  const given = args.filter(({ type, defaultValue }) => isNonNullType(type) && defaultValue === undefined);
  return given.length === 0
    ? ""
    : `(${given.map(({ name, type }) => `${name}: ${literalOf(name, type, id)}`).join(", ")})`;
}

function literalOf(name: string, type: GraphQLInputType, id: string): string {
  if (isNonNullType(type)) return literalOf(name, type.ofType, id);
  if (isListType(type)) return `[${literalOf(name, type.ofType, id)}]`;
  if (isEnumType(type)) return type.getValues()[0]!.name;
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter((field) => isNonNullType(field.type));
    return `{${fields.map((field) => `${field.name}: ${literalOf(field.name, field.type, id)}`).join(", ")}}`;
  }
  if (type.name === "JSONObject") return "{}";
  if (type.name === "_Any") return `{ __typename: "User", id: "${id}" }`;
  if (type.name === "ID") return `"${id}"`;
  if (/email/i.test(name)) return '"nobody@example.com"';
  return '"something"';
}
