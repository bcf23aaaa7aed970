import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { GraphQLID, getNamedType } from "graphql";
import { decodeJwt } from "jose";
import { AUDIT_EVENTS, RESET_MFA, USER } from "../support/administration-operations.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import {
  CREATE_ITEM,
  DELETE_ITEM,
  LOGIN,
  MY_ITEMS,
  MY_SESSIONS,
  REVOKE_SESSION,
  UPDATE_ITEM,
} from "../support/operations.js";

let app: App;
let token: string;
let userId: string;
beforeAll(async () => {
  app = await makeApp();
  const account = { username: "anna", email: "anna@example.com", fullName: null, roles: ["ADMIN" as const] };
  await app.latchkey.operator.create(account, PASSWORD);
  const login = await app.login("anna");
  token = login.accessToken;
  userId = login.user.id;
});
afterAll(() => app.close());

const newItem = async () =>
  (await app.send(CREATE_ITEM, { input: { title: "one" } }, { token })).data!.createItem.id;

/** By field, whether it works with an id in upper case. */
const FIELDS: Record<string, () => Promise<unknown>> = {
  myItems: async () => {
    const first = await newItem();
    const second = await newItem();
    const { data } = await app.send(MY_ITEMS, { first: 1, after: first.toUpperCase() }, { token });
    return data?.myItems[0]?.id === second;
  },
  updateItem: async () => {
    const id = await newItem();
    const variables = { id: id.toUpperCase(), input: { title: "two" } };
    return (await app.send(UPDATE_ITEM, variables, { token })).data?.updateItem.id === id;
  },
  deleteItem: async () =>
    (await app.send(DELETE_ITEM, { id: (await newItem()).toUpperCase() }, { token })).data?.deleteItem,
  revokeSession: async () => {
    const { data } = await app.send(LOGIN, { username: "anna", password: PASSWORD });
    const id = decodeJwt(data!.login.accessToken)["sid"] as string;
    return (await app.send(REVOKE_SESSION, { id: id.toUpperCase() }, { token })).data?.revokeSession;
  },
  mySessions: async () => {
    const sessions = async (after?: string) =>
      (await app.send(MY_SESSIONS, { first: 1, ...(after && { after }) }, { token })).data!.mySessions;
    await app.login("anna");
    const [newest] = await sessions();
    const [second] = await sessions(newest!.id);
    return (await sessions(newest!.id.toUpperCase()))[0]?.id === second!.id;
  },
  user: async () =>
    (await app.send(USER, { id: userId.toUpperCase() }, { token })).data?.user.username === "anna",
  resetMfa: async () =>
    (await app.send(RESET_MFA, { userId: userId.toUpperCase() }, { token })).data?.resetMfa.id === userId,
  auditEvents: async () => {
    const { data } = await app.send(AUDIT_EVENTS, { userId: userId.toUpperCase() }, { token });
    return (data?.auditEvents.nodes.length ?? 0) > 0;
  },
};

/** These take their user with the same class of arguments as `user`. */
const LIKE_USER = [
  "updateUser",
  "disableUser",
  "enableUser",
  "setUserRoles",
  "deleteUser",
  "revokeUserSessions",
];

test.each(Object.entries(FIELDS))("%s accepts an id in any case", async (_field, worksInUpperCase) => {
  expect(await worksInUpperCase()).toBe(true);
});

test("every field that takes an id is listed", () => {
  const { schema } = app;
  const fields = [schema.getQueryType(), schema.getMutationType()].flatMap((type) =>
    Object.values(type!.getFields()),
  );
  const takesId = fields.filter(({ args }) => args.some(({ type }) => getNamedType(type) === GraphQLID));
  expect(takesId.map(({ name }) => name).sort()).toEqual([...Object.keys(FIELDS), ...LIKE_USER].sort());
});
