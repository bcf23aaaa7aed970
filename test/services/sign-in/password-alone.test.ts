import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLType,
  getNamedType,
  isInterfaceType,
  isObjectType,
  isUnionType,
} from "graphql";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { postForm } from "../../support/tokens.js";
import { enrollTotp } from "../../support/totp.js";
import { makeUser, type SignedIn } from "../../support/users.js";

let app: App;
/** Somebody else who knows the password of the account, and has an account with the same one. */
let thief: SignedIn;
beforeAll(async () => {
  app = await makeApp();
  thief = await makeUser(app, "thief");
});
afterAll(() => app.close());

/** Whether a Token can be anywhere in an answer of this type. */
function containsToken(type: GraphQLType, seen = new Set<string>()): boolean {
  const named = getNamedType(type);
  if (named.name === "Token") return true;
  if (seen.has(named.name)) return false;
  seen.add(named.name);
  if (isUnionType(named)) return named.getTypes().some((each) => containsToken(each, seen));
  if (!isObjectType(named) && !isInterfaceType(named)) return false;
  return Object.values(named.getFields()).some((field) => containsToken(field.type, seen));
}

const fieldsWithToken = () =>
  [app.schema.getQueryType()!, app.schema.getMutationType()!].flatMap((type) =>
    Object.values(type.getFields())
      .filter((field) => containsToken(field.type))
      .map((field) => ({ operation: type.name.toLowerCase(), field })),
  );

/** Every way to give the arguments values that a password brings. A null stands for an argument that is left out. */
function* variablesFor(
  args: readonly GraphQLArgument[],
  known: readonly string[],
): Generator<Record<string, unknown>> {
  const [first, ...rest] = args;
  if (first === undefined) return yield {};
  const values = getNamedType(first.type).name === "String" ? known : [{}];
  for (const value of [...values, null])
    for (const others of variablesFor(rest, known)) yield { ...others, [first.name]: value };
}

/** The challenge that the correct password brings for an account with a second factor. */
async function challengeOf(username: string): Promise<string> {
  const query = `mutation { signIn(username: "${username}", password: "${PASSWORD}") { ... on MfaChallenge { challenge } } }`;
  const { data } = (await app.post({ query })) as { data?: { signIn: { challenge?: string } } };
  return data?.signIn.challenge ?? "none";
}

/** Sends the field in every way that a password allows. Returns whether an answer had a Token of the account. */
async function signsIn(
  { operation, field }: { operation: string; field: GraphQLField<unknown, unknown> },
  { username, email }: SignedIn,
): Promise<boolean> {
  const declared = field.args.map(({ name, type }) => `$${name}: ${type}`).join(", ");
  const given = field.args.map(({ name }) => `${name}: $${name}`).join(", ");
  const token = "user { username }";
  const selection = isUnionType(getNamedType(field.type)) ? `... on Token { ${token} }` : token;
  const query = `${operation} (${declared}) { ${field.name}(${given}) { ${selection} } }`;
  const known = [PASSWORD, username, email, await challengeOf(username)];
  for (const variables of variablesFor(field.args, known)) {
    for (const options of [{}, { token: thief.token }]) {
      // So that no attempt is refused for those before it.
      await app.latchkey.db.deleteFrom("attempts").execute();
      const { data } = (await app.post({ query, variables }, options)) as {
        data?: Record<string, { user?: { username: string } } | null> | null;
      };
      if (data?.[field.name]?.user?.username === username) return true;
    }
  }
  return false;
}

async function fieldsThatSignIn(account: SignedIn): Promise<string[]> {
  const found: string[] = [];
  for (const each of fieldsWithToken()) if (await signsIn(each, account)) found.push(each.field.name);
  return found;
}

const sessionsOf = async ({ id }: SignedIn) =>
  (await app.latchkey.db.selectFrom("sessions").select("id").where("user_id", "=", id).execute()).length;

const passwordGrant = ({ username }: SignedIn) =>
  postForm(app, "/token", { grant_type: "password", username, password: PASSWORD });

test("no field and no endpoint signs in an account with a second factor by its password alone", async () => {
  const account = await makeUser(app, "owner");
  // What the test tries does sign in an account without a second factor.
  expect(await fieldsThatSignIn(account)).toEqual(["login", "signIn"]);
  expect((await passwordGrant(account)).json.access_token).toEqual(expect.any(String));

  await enrollTotp(app, account.token);
  const before = await sessionsOf(account);
  expect(await fieldsThatSignIn(account)).toEqual([]);
  const refused = await passwordGrant(account);
  expect([refused.status, refused.json]).toEqual([
    400,
    {
      error: "invalid_grant",
      error_description: "The account has a second factor: sign in with the GraphQL mutation signIn instead.",
    },
  ]);
  expect(await sessionsOf(account)).toBe(before);
}, 60_000);
