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
import { decodeJwt } from "jose";
import { MINUTE } from "../../src/clock.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { CREATE_ITEM } from "../support/operations.js";

/** Who may use each root field. The test fails for a field that is missing here. */
const ACCESS: Record<string, "everybody" | "users" | "administrators"> = {
  "Query.me": "users",
  "Query.myItems": "users",
  "Query.mySessions": "users",
  "Query.passwordStrength": "everybody",
  "Query.users": "administrators",
  "Query.user": "administrators",
  "Query.auditEvents": "administrators",
  "Mutation.login": "everybody",
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
  "Mutation.revokeUserSessions": "administrators",
};

/** The fields of each object. Whoever receives an object may read all of them. */
const READABLE: Record<string, string> = {
  User: "id username email emailVerified fullName disabled roles createdAt items",
  Item: "id title description owner createdAt updatedAt",
  Session:
    "id createdAt lastUsedAt expiresAt userAgent ipAddress authenticatedAt authenticationMethods current",
  Token: "accessToken tokenType expiresIn expiresAt refreshToken user",
  Registration: "username email",
  PasswordStrength: "score warning suggestions",
  AuditEvent: "id at type actorId subjectId sessionId ipAddress details",
  UserConnection: "edges nodes pageInfo",
  UserEdge: "cursor node",
  AuditEventConnection: "edges nodes pageInfo",
  AuditEventEdge: "cursor node",
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

describe("who may use what", () => {
  let app: App;
  /** Ids of what belongs to `user`, by the mutation that another user tries them with. */
  let ids: Record<string, string> = {};
  beforeAll(async () => {
    app = await makeApp();
    for (const name of ["expired", "disabled", "user", "other"]) await app.createUser(name);
    const { accessToken } = await app.login("user");
    const { data } = await app.send(CREATE_ITEM, { input: { title: "mine" } }, { token: accessToken });
    const item = data!.createItem.id;
    ids = { updateItem: item, deleteItem: item, revokeSession: decodeJwt(accessToken)["sid"] as string };
    const admin = await app.createUser("administrator");
    await app.latchkey.db
      .updateTable("users")
      .set({ roles: '["USER","ADMIN"]' })
      .where("id", "=", admin.id)
      .execute();
  });
  afterAll(() => app.close());

  const rootFields = () =>
    [app.schema.getQueryType()!, app.schema.getMutationType()!].flatMap((type) =>
      Object.values(type.getFields()).map((field) => ({ name: `${type.name}.${field.name}`, type, field })),
    );

  async function headersOf(actor: Actor): Promise<Record<string, string>> {
    if (actor === "anonymous" || actor === "unverified") return {};
    const { accessToken } = await app.login(actor === "other user" ? "other" : actor);
    if (actor === "expired") app.clock.advance(16 * MINUTE);
    if (actor === "disabled") await app.latchkey.operator.disable("disabled");
    return { authorization: `Bearer ${accessToken}` };
  }

  async function call(
    operation: string,
    field: GraphQLField<unknown, unknown>,
    headers: Record<string, string>,
    id = "0190a0a0-0000-7000-8000-000000000000",
  ) {
    const selection = isLeafType(getNamedType(field.type)) ? "" : " { __typename }";
    const { errors } = await app.post(
      { query: `${operation} { ${field.name}${argumentsOf(field.args, id)}${selection} }` },
      { headers },
    );
    return errors?.[0]?.extensions;
  }

  test("every root field has a row, and the schema has the same role (row 59)", () => {
    expect(
      rootFields()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(Object.keys(ACCESS).sort());
    const roles = { everybody: undefined, users: "USER", administrators: "ADMIN" };
    for (const { name, field } of rootFields()) {
      const directives = field.extensions["directives"] as { auth?: { role: string } } | undefined;
      expect([name, directives?.auth?.role]).toEqual([name, roles[ACCESS[name]!]]);
    }
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
    for (const { name, type, field } of rootFields()) {
      const access = ACCESS[name]!;
      if (actor === "disabled") await app.latchkey.operator.enable("disabled");
      const headers = await headersOf(actor);
      const id = actor === "other user" ? ids[field.name] : undefined;
      const { code, reason } = (await call(type.name.toLowerCase(), field, headers, id)) ?? {};
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
    const { field } = rootFields().find(({ field }) => field.name === name)!;
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
  if (type.name === "ID") return `"${id}"`;
  if (/email/i.test(name)) return '"nobody@example.com"';
  return '"something"';
}
