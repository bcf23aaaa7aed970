import { request } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { GraphQLFormattedError } from "graphql";
import { startApolloGateway } from "../../examples/federation/apollo-gateway.ts";
import { compose, startHiveGateway } from "../../examples/federation/hive-gateway.ts";
import { NOTES_SDL, type Note, startNotes } from "../../examples/federation/notes.ts";
import { systemClock } from "../../src/clock.js";
import { printSubgraph } from "../../src/compose/schema.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { WRONG } from "../support/attempts.js";
import { CONFIRM_TOTP, MY_SESSIONS, START_TOTP } from "../support/operations.js";
import { totpCode } from "../support/totp.js";
import { makeUser, type SignedIn } from "../support/users.js";

interface Subgraph {
  name: string;
  url: string;
  sdl: string;
}

const GATEWAYS = {
  // It reads the schemas itself.
  "@apollo/gateway": (subgraphs: Subgraph[]) =>
    startApolloGateway(
      subgraphs.map(({ name, url }) => ({ name, url })),
      0,
    ),
  "Hive Gateway": (subgraphs: Subgraph[]) => startHiveGateway(compose(subgraphs), 0),
};

interface GatewayAnswer {
  status: number;
  headers: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: the schema is that of the gateway
  data?: any;
  errors?: GraphQLFormattedError[];
}

describe.each(Object.keys(GATEWAYS) as (keyof typeof GATEWAYS)[])("behind %s", (gateway) => {
  let app: App;
  let ada: SignedIn;
  let bob: SignedIn;
  let admin: SignedIn;
  let url: string;
  const stops: (() => unknown)[] = [];
  const notes: Note[] = [];
  beforeAll(async () => {
    // The gateway reports clients of 127.0.0.2 and others.
    app = await makeApp({ clock: systemClock, env: { FEDERATION: "on", TRUST_PROXY: "127.0.0.1" } });
    [ada, bob, admin] = [
      await makeUser(app, "ada"),
      await makeUser(app, "bob"),
      await makeUser(app, "admin", ["ADMIN"]),
    ];
    notes.push({ text: "of ada", authorId: ada.id }, { text: "of bob", authorId: bob.id });
    const keysUrl = `${app.address}/.well-known/jwks.json`;
    const other = await startNotes(notes, { issuer: app.config.publicUrl, keysUrl }, 0);
    stops.push(other.stop);
    const started = await GATEWAYS[gateway]([
      { name: "latchkey", url: `${app.address}/graphql`, sdl: printSubgraph(app.latchkey) },
      { name: "notes", url: other.url, sdl: NOTES_SDL },
    ]);
    stops.push(started.stop);
    url = started.url;
  });
  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
    await app.close();
  });

  /** Sends a document to the gateway, from one of this machine's addresses. */
  async function send(
    query: string,
    {
      token,
      from = "127.0.0.1",
      headers = {},
    }: { token?: string; from?: string; headers?: Record<string, string> } = {},
  ): Promise<GatewayAnswer> {
    return new Promise((resolve, reject) => {
      const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
      request(url, {
        method: "POST",
        localAddress: from,
        headers: { "content-type": "application/json", connection: "close", ...authorization, ...headers },
      })
        .on("error", reject)
        .on("response", (response) => {
          const { statusCode: status = 0, headers } = response;
          text(response).then((body) => resolve({ status, headers, ...JSON.parse(body) }), reject);
        })
        .end(JSON.stringify({ query }));
    });
  }

  const reasonOf = ({ errors }: GatewayAnswer) =>
    errors?.[0]?.extensions?.["reason"] ?? errors?.[0]?.extensions?.["code"];

  test("a user signs in, and reads their own fields and those of another subgraph", async () => {
    const signedIn = await send(
      `mutation { login(username: "ada", password: "${PASSWORD}") { accessToken user { username notes { text } } } }`,
    );
    expect(signedIn.errors).toBeUndefined();
    const { accessToken: token, user } = signedIn.data.login;
    expect(user).toEqual({ username: "ada", notes: [{ text: "of ada" }] });
    const { data, errors } = await send(
      "{ me { email notes { text author { fullName username } } } viewer { username } }",
      { token },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      me: {
        email: "ada@example.com",
        notes: [{ text: "of ada", author: { fullName: null, username: "ada" } }],
      },
      viewer: { username: "ada" },
    });
  });

  test("an administrator sees all authors, who are read in one query", async () => {
    const spy = jest.spyOn(app.latchkey.db.getExecutor(), "executeQuery");
    const { data, errors } = await send("{ notes { text author { username } } }", admin);
    const tables = spy.mock.calls.map(([query]) => /from "(\w+)"/.exec(query.sql)?.[1]);
    spy.mockRestore();
    expect(errors).toBeUndefined();
    expect(data.notes).toEqual([
      { text: "of ada", author: { username: "ada" } },
      { text: "of bob", author: { username: "bob" } },
    ]);
    expect(tables).toEqual(["sessions", "users"]);
  });

  test("a user sees themselves alone, and the other subgraph's fields all the same (row 59)", async () => {
    const { data, errors } = await send("{ notes { text author { id username } } }", ada);
    expect(data.notes).toEqual([
      { text: "of ada", author: { id: ada.id, username: "ada" } },
      { text: "of bob", author: null },
    ]);
    expect(errors?.map(({ message, path, extensions }) => [message, path?.slice(0, 3), extensions])).toEqual([
      [
        "There is no user with this id.",
        ["notes", 1, "author"],
        expect.objectContaining({ code: "NOT_FOUND" }),
      ],
    ]);
    const anonymous = await send("{ notes { text author { username } } }");
    expect(anonymous.data.notes).toEqual([
      { text: "of ada", author: null },
      { text: "of bob", author: null },
    ]);
    expect(reasonOf(anonymous)).toBe("MISSING_TOKEN");
  });

  test("errors keep their messages, codes and details, and lose the status and the headers", async () => {
    const mfa = await makeUser(app, "mfa");
    const { secret } = (await app.send(START_TOTP, {}, mfa)).data!.startTotpEnrollment;
    await app.send(CONFIRM_TOTP, { code: totpCode(secret, Date.now()) }, mfa);
    const login = (username: string, password: string) =>
      `mutation { login(username: "${username}", password: "${password}") { tokenType } }`;
    const sent: [string, { token?: string }, object][] = [
      [login("ada", WRONG), {}, { code: "INVALID_CREDENTIALS" }],
      [
        login("mfa", PASSWORD),
        {},
        { code: "MFA_REQUIRED", mfa: expect.objectContaining({ methods: ["TOTP", "RECOVERY_CODE"] }) },
      ],
      ["{ me { id } }", {}, { code: "UNAUTHENTICATED", reason: "MISSING_TOKEN" }],
      ["{ me { id } }", { token: "x" }, { code: "UNAUTHENTICATED", reason: "INVALID_TOKEN" }],
      ["{ users { nodes { id } } }", ada, { code: "FORBIDDEN" }],
      [
        '{ user(id: "x") { id } }',
        admin,
        {
          code: "BAD_USER_INPUT",
          violations: [{ field: "id", rule: "isUuid", message: "id must be a UUID" }],
        },
      ],
    ];
    for (const [query, options, extensions] of sent) {
      const answer = await send(query, options);
      expect([query, answer.errors?.[0]?.extensions]).toEqual([query, expect.objectContaining(extensions)]);
      expect([answer.status, answer.headers["www-authenticate"], answer.headers["retry-after"]]).toEqual([
        200,
        undefined,
        undefined,
      ]);
    }
  });

  test("a disabled user is refused on the next request, while the other subgraph still trusts the token", async () => {
    const eve = await makeUser(app, "eve");
    expect((await send("{ me { username } viewer { id } }", eve)).data).toEqual({
      me: { username: "eve" },
      viewer: { id: eve.id },
    });
    await app.latchkey.operator.disable("eve");
    expect(reasonOf(await send("{ me { username } }", eve))).toBe("ACCOUNT_DISABLED");
    expect(reasonOf(await send("{ viewer { username } }", eve))).toBe("ACCOUNT_DISABLED");
    // Until the token expires.
    expect((await send("{ viewer { id notes { text } } }", eve)).data.viewer).toEqual({
      id: eve.id,
      notes: [],
    });
  });

  test("the session of a token that was used elsewhere has ended here too", async () => {
    const { token } = await makeUser(app, "leaving");
    expect((await send("mutation { logout }", { token })).data).toEqual({ logout: true });
    expect(reasonOf(await send("{ me { username } }", { token }))).toBe("SESSION_REVOKED");
  });

  test("clients have their own addresses, and cannot choose them", async () => {
    const login = `mutation { login(username: "bob", password: "${PASSWORD}") { accessToken } }`;
    const addressOf = async (from: string, forwarded?: string) => {
      const headers = { "user-agent": "a browser", ...(forwarded && { "x-forwarded-for": forwarded }) };
      const { accessToken: token } = (await send(login, { from, headers })).data.login;
      const { data } = await app.send(MY_SESSIONS, {}, { token });
      const session = data?.mySessions.find(({ current }) => current);
      return [session?.ipAddress, session?.userAgent];
    };
    expect(await addressOf("127.0.0.2")).toEqual(["127.0.0.2", "a browser"]);
    expect(await addressOf("127.0.0.2", "203.0.113.7")).toEqual(["127.0.0.2", "a browser"]);
    // A proxy that Latchkey trusts.
    expect(await addressOf("127.0.0.1", "203.0.113.7")).toEqual(["203.0.113.7", "a browser"]);
  });

  test("a document with many logins guesses no more passwords than as many requests (row 17)", async () => {
    await makeUser(app, "victim");
    const guess = (n: number) =>
      `a${n}: login(username: "victim", password: "${WRONG}") { tokenType } b${n}: addNote(text: "between") { text }`;
    const outcomes: unknown[] = [];
    for (let n = 0; n < 10; n++) {
      const answer = await send(`mutation { ${guess(n)} }`, { ...ada, from: "127.0.0.3" });
      outcomes.push(answer.errors?.[0]?.extensions?.["code"]);
    }
    expect(outcomes).toEqual([...Array(5).fill("INVALID_CREDENTIALS"), ...Array(5).fill("RATE_LIMITED")]);
    const atOnce = await send(`mutation { ${[0, 1, 2, 3, 4, 5, 6, 7].map(guess).join(" ")} }`, {
      ...ada,
      from: "127.0.0.4",
    });
    const codes = (atOnce.errors ?? []).map(({ extensions }) => extensions?.["code"]);
    expect(atOnce.data ?? null).toBeNull();
    expect(codes.filter((code) => code === "INVALID_CREDENTIALS").length).toBeLessThanOrEqual(5);
  });

  test("500 objects with authors are answered, also by a gateway that asks for each author again", async () => {
    const before = notes.length;
    for (let n = before; n < 500; n++) notes.push({ text: `${n}`, authorId: ada.id });
    const { data, errors } = await send("{ notes { author { username } } }", admin);
    notes.length = before;
    expect(errors).toBeUndefined();
    expect(data.notes).toHaveLength(500);
    expect(data.notes.at(-1)).toEqual({ author: { username: "ada" } });
  });

  test("the fields of federation cannot be reached through the gateway", async () => {
    for (const query of [
      `{ _entities(representations: [{ __typename: "User", id: "${bob.id}" }]) { __typename } }`,
      "{ _service { sdl } }",
    ]) {
      const { data, errors } = await send(query, admin);
      expect(data ?? null).toBeNull();
      expect(errors?.[0]?.message).toMatch(/^Cannot query field "_(entities|service)" on type "Query"/);
    }
  });
});
