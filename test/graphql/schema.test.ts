import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { getMetadataStorage } from "class-validator";
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql";
import { getMetadataStorage as getTypeGraphQLMetadata } from "type-graphql";
import { composeSchema } from "../../src/compose/schema.js";
import { ERROR_CODES } from "../../src/errors.js";
import { maxBytesOf, maxItemsOf } from "../../src/graphql/limits/max-size.js";
import { isOncePerRequest } from "../../src/graphql/once-per-request.js";
import { printSdl } from "../../src/graphql/schema.js";
import { type App, makeApp } from "../support/app.js";

const CREDENTIAL = /password|token|secret|code/i;
const SENSITIVE = /password|token|secret|code|email/i;

function authOf(field: GraphQLField<unknown, unknown>): { role: string; maxAgeSeconds?: number } | undefined {
  return (field.extensions["directives"] as { auth?: ReturnType<typeof authOf> } | undefined)?.auth;
}

/** The names of arguments, and of the fields in them. */
function names(args: readonly (GraphQLArgument | GraphQLInputField)[]): string[] {
  return args.flatMap(({ name, type }) => {
    const named = getNamedType(type);
    return isInputObjectType(named) ? [name, ...names(Object.values(named.getFields()))] : [name];
  });
}

describe("the schema", () => {
  let app: App;
  beforeAll(async () => {
    // All that there is without it, and the fields of federation.
    app = await makeApp({ env: { FEDERATION: "on" } });
  });
  afterAll(() => app.close());

  const ownTypes = () => Object.values(app.schema.getTypeMap()).filter(({ name }) => !name.startsWith("__"));

  test("schema.graphql matches the code (else run `npm run schema`)", () => {
    expect(readFileSync("schema.graphql", "utf8")).toBe(printSdl(composeSchema(app.latchkey)));
  });

  test("everything in it has a description", () => {
    const undescribed: string[] = [];
    const check = (name: string, element: { description?: string | null | undefined }) => {
      if (!element.description) undescribed.push(name);
    };
    for (const type of ownTypes()) {
      check(type.name, type);
      if (isEnumType(type)) for (const value of type.getValues()) check(`${type.name}.${value.name}`, value);
      if (!isObjectType(type) && !isInputObjectType(type)) continue;
      for (const field of Object.values(type.getFields())) {
        check(`${type.name}.${field.name}`, field);
        if ("args" in field)
          for (const arg of field.args) check(`${type.name}.${field.name}(${arg.name})`, arg);
      }
    }
    for (const directive of app.schema.getDirectives()) check(`@${directive.name}`, directive);
    expect(undescribed).toEqual([]);
  });

  test("a root field's description names its errors, all of them in the closed list", () => {
    const { schema } = app;
    for (const type of [schema.getQueryType()!, schema.getMutationType()!]) {
      for (const field of Object.values(type.getFields())) {
        const errors = /Errors: (.*)\.$/.exec(field.description ?? "")?.[1] ?? "";
        const codes = [...errors.matchAll(/`(\w+)`/g)].map(([, code]) => code!);
        // It returns what is known since the start.
        expect([field.name, codes.length > 0]).toEqual([field.name, field.name !== "settings"]);
        expect(codes.filter((code) => !(code in ERROR_CODES))).toEqual([]);
        const auth = authOf(field);
        // `logout` also takes a refresh token instead.
        const signedIn = auth !== undefined || field.name === "logout";
        expect([field.name, codes.includes("UNAUTHENTICATED")]).toEqual([field.name, signedIn]);
        const stepUp = auth?.maxAgeSeconds !== undefined;
        expect([field.name, codes.includes("REAUTHENTICATION_REQUIRED")]).toEqual([field.name, stepUp]);
        // Any field with @auth can fail with it: the directive's description says so.
        expect(codes).not.toContain("MFA_ENROLLMENT_REQUIRED");
      }
    }
  });

  test("the description of a field with @auth, and of no other, says in words who may use it", () => {
    const who: Record<string, string> = { USER: "a signed-in user", ADMIN: "a user with the role `ADMIN`" };
    for (const type of ownTypes().filter(isObjectType)) {
      for (const field of Object.values(type.getFields())) {
        const auth = authOf(field);
        const sentence = /Requires [^.]*\./.exec(field.description ?? "")?.[0];
        const recently = auth?.maxAgeSeconds === 600 ? " who authenticated within the last 10 minutes" : "";
        expect([type.name, field.name, sentence]).toEqual([
          type.name,
          field.name,
          auth && `Requires ${who[auth.role]}${recently}.`,
        ]);
      }
    }
  });

  test("every list has a page or a limit, and every text has a limit (row 61)", () => {
    const fields = ownTypes()
      .filter(isObjectType)
      .flatMap((type) => Object.values(type.getFields()).map((field) => ({ type, field })));
    const hasPage = (field: GraphQLField<unknown, unknown>) =>
      field.args.some(({ name }) => name === "first");
    const isList = ({ type }: GraphQLField<unknown, unknown>) =>
      isListType(isNonNullType(type) ? type.ofType : type);
    const lists = fields.filter(({ field }) => isList(field) && !hasPage(field));
    // A list limited by the page of the field above it occurs only below fields with a page.
    const onPages = lists.filter(({ field }) => field.extensions["maxItems"] === "page");
    for (const { type } of onPages) {
      const above = fields.filter(({ field }) => getNamedType(field.type) === type);
      expect([type.name, above.length > 0 && above.every(({ field }) => hasPage(field))]).toEqual([
        type.name,
        true,
      ]);
    }
    const unbounded = fields.flatMap(({ type, field }) => {
      const endless =
        (!hasPage(field) && maxItemsOf(field) === Number.POSITIVE_INFINITY) ||
        (isLeafType(getNamedType(field.type)) && maxBytesOf(field) === Number.POSITIVE_INFINITY);
      return endless ? `${type.name}.${field.name}` : [];
    });
    expect(unbounded).toEqual([]);
    expect(lists.map(({ type, field }) => `${type.name}.${field.name}`).sort()).toEqual([
      "AuditEventConnection.edges",
      "AuditEventConnection.nodes",
      "MfaChallenge.methods",
      "Mutation.confirmTotpEnrollment",
      "Mutation.regenerateRecoveryCodes",
      "PasswordStrength.suggestions",
      "Query._entities",
      "Query.myPasskeys",
      "RegisteredPasskey.recoveryCodes",
      "Session.authenticationMethods",
      "Settings.mfaMethods",
      "User.roles",
      "UserConnection.edges",
      "UserConnection.nodes",
    ]);
  });

  // Addresses do not count for administrators, who may invite many users in one request.
  test("a root field that takes a credential or an address is declared @oncePerRequest (row 17)", () => {
    const { schema } = app;
    const undeclared: string[] = [];
    const declared: string[] = [];
    for (const type of [schema.getQueryType()!, schema.getMutationType()!]) {
      for (const field of Object.values(type.getFields())) {
        if (isOncePerRequest(field)) declared.push(field.name);
        else if (
          names(field.args).some((name) =>
            (authOf(field)?.role === "ADMIN" ? CREDENTIAL : SENSITIVE).test(name),
          )
        )
          undeclared.push(field.name);
      }
    }
    expect(undeclared).toEqual([]);
    expect(declared.sort()).toEqual([
      "acceptInvitation",
      "changePassword",
      "confirmEmailChange",
      "confirmTotpEnrollment",
      "login",
      "logout",
      "passkeyOptions",
      "passwordStrength",
      "reauthenticate",
      "refreshToken",
      // Each is an email, and an event that is kept for months.
      "regenerateRecoveryCodes",
      "register",
      "registerPasskey",
      "requestEmailChange",
      "requestEmailVerification",
      "requestPasswordReset",
      "resetPassword",
      "signIn",
      // It draws a QR code, which takes 10 ms.
      "startTotpEnrollment",
      "verifyEmail",
      "verifyPasskey",
      "verifyRecoveryCode",
      "verifyTotp",
    ]);
  });

  test("has no password hint, no secret question, and no password age (row 10)", () => {
    const all = ownTypes().flatMap((type) =>
      isObjectType(type) || isInputObjectType(type)
        ? Object.values<GraphQLField<unknown, unknown> | GraphQLInputField>(type.getFields()).flatMap(
            (field) => [field.name, ...("args" in field ? field.args.map(({ name }) => name) : [])],
          )
        : [],
    );
    expect(all).toContain("newPassword");
    expect(
      all.filter((name) => /hint|question|answer|remind|password.*(age|expir|changed)/i.test(name)),
    ).toEqual([]);
  });

  test("an administrator can start a reset, but neither set nor see a password or a token (row 47)", () => {
    const { schema } = app;
    const reachable = new Set<string>();
    const tell = (type: GraphQLType) => {
      const named = getNamedType(type);
      if (!isObjectType(named) || reachable.has(named.name)) return;
      reachable.add(named.name);
      for (const field of Object.values(named.getFields())) {
        expect(`${named.name}.${field.name}`).not.toMatch(CREDENTIAL);
        tell(field.type);
      }
    };
    const fields = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
      Object.values(type.getFields()).filter((field) => authOf(field)?.role === "ADMIN"),
    );
    expect(fields.length).toBeGreaterThan(5);
    for (const field of fields) {
      expect(names(field.args).filter((name) => CREDENTIAL.test(name))).toEqual([]);
      tell(field.type);
    }
    expect(reachable).toContain("User");
    expect(authOf(schema.getMutationType()!.getFields()["requestPasswordReset"]!)).toBeUndefined();
  });

  // type-graphql never validates a scalar @Arg, and @Authorized on an input field lets everyone use it.
  test("every argument is part of a class, and every field in it has a class-validator rule", () => {
    const metadata = getTypeGraphQLMetadata();
    const kinds = new Set(
      [...metadata.queries, ...metadata.mutations].flatMap(({ params }) => params!.map(({ kind }) => kind)),
    );
    expect([...kinds].sort()).toEqual(["args", "context", "info"]);
    const unruled: string[] = [];
    for (const { target, fields } of [...metadata.argumentTypes, ...metadata.inputTypes]) {
      const ruled = new Set(
        getMetadataStorage()
          .getTargetValidationMetadatas(target, "", false, false)
          .map(({ propertyName }) => propertyName),
      );
      for (const { name, roles } of fields!) {
        expect(roles).toBeUndefined();
        if (!ruled.has(name)) unruled.push(`${target.name}.${name}`);
      }
    }
    expect(unruled.sort()).toEqual([
      "AcceptInvitationArgs.password",
      // A password that cannot be correct is a failed login, not bad input.
      "ChangePasswordArgs.currentPassword",
      // The service checks a new password together with the rest of the input.
      "ChangePasswordArgs.newPassword",
      // A token that cannot be one is unknown.
      "EmailedTokenArgs.token",
      "LoginArgs.password",
      "ReauthenticateArgs.password",
      "RegisterInput.email",
      "RegisterInput.fullName",
      "RegisterInput.password",
      "RegisterInput.username",
      "ResetPasswordArgs.newPassword",
    ]);
  });
});
