import { readFileSync } from "node:fs";
import fc from "fast-check";
import {
  buildSchema,
  extendSchema,
  type GraphQLEnumType,
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
} from "graphql";

/** A request as it is sent over the wire. */
export interface GeneratedRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer;
}

/** Valid values to put into the requests beside noise, so that some get far. */
export interface Material {
  tokens: string[];
  words: string[];
}

/** With the fields of a subgraph: the server has FEDERATION=on. */
const schema = extendSchema(
  buildSchema(readFileSync("schema.graphql", "utf8")),
  parse(`
    scalar _Any
    type _Service { sdl: String! }
    union _Entity = User
    extend type Query { _service: _Service!, _entities(representations: [_Any!]!): [_Entity]! }
  `),
);

/** The codes an error may have, as the schema lists them. */
export const ERROR_CODES: readonly string[] = (schema.getType("ErrorCode") as GraphQLEnumType)
  .getValues()
  .map(({ name }) => name);

const ROOT_FIELDS = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
  Object.values(type.getFields()).map((field) => ({ operation: type.name.toLowerCase(), field })),
);
const PATHS = [
  ...[
    "/token",
    "/revoke",
    "/introspect",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
  ],
  ...["/emails", "/metrics", "/healthz", "/readyz", "/", "/graphql/", "/graphql?query={me{id}}", "/GraphQL"],
  ...["/%", "/%00", "//graphql", "/graphql/../token", "/.well-known/%2e%2e/token", `/${"a".repeat(3000)}`],
];
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"];
const MEDIA_TYPES = [
  ...[
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=utf-16",
    "APPLICATION/JSON",
  ],
  ...[
    "application/graphql-response+json",
    "application/graphql",
    "application/x-www-form-urlencoded",
    "text/plain",
  ],
  ...["multipart/form-data; boundary=x", "multipart/form-data", "application/json, text/html", "/", ";", ""],
];
const TEXT = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  // Any UTF-16, including lone surrogates.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
    .map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom(
    "",
    "\0",
    "__proto__",
    "constructor",
    "null",
    "a".repeat(10_000),
    "%s%n",
    "' or 1=1 --",
    "{{7*7}}",
  ),
);
const NUMBER = fc.constantFrom("0", "-0", "-1", "2147483648", "9".repeat(400), "1e999", "1.5", "01", "NaN");

/** Names that JavaScript looks up in an object to convert it to a string or a number, to await it or to copy it. */
const HOSTILE_NAMES = [
  ...["toString", "valueOf", "toJSON", "constructor", "prototype", "__proto__", "hasOwnProperty"],
  ...["then", "length", "inspect", "Symbol.toPrimitive"],
];
/** Objects with these names where a string or a number is expected: converting them fails. */
const HOSTILE = fc.oneof(
  fc
    .uniqueArray(fc.constantFrom(...HOSTILE_NAMES), { minLength: 1, maxLength: 3 })
    .chain((names) =>
      fc.tuple(
        ...names.map((name) => fc.tuple(fc.constant(name), fc.constantFrom<unknown>(1, null, "a", {}, []))),
      ),
    )
    // As own properties, including `__proto__`.
    .map((entries) => Object.fromEntries(entries)),
  fc.constantFrom<unknown>([{ toString: 1 }], { a: { valueOf: null, toString: null } }),
);

/** Requests such as clients, security scanners and broken networks send. */
export function requests({ tokens, words }: Material): fc.Arbitrary<GeneratedRequest> {
  const word = fc.oneof(fc.constantFrom(...words, ...tokens), TEXT);
  const documents = documentsOf(word);
  const names = fc.constantFrom("a", "b", "input", "id", "token", "username", "password");
  const variables = fc.oneof(
    fc.dictionary(
      fc.oneof(names, fc.constantFrom(...HOSTILE_NAMES)),
      fc.oneof(word, fc.jsonValue(), HOSTILE),
    ),
    fc.jsonValue(),
    HOSTILE,
  );
  /** Hostile objects as a variable of each type, and in other members of the body. */
  const hostile = fc.oneof(
    fc.record({
      query: fc.constantFrom(
        "query($a:Int!){myItems(first:$a){id}}",
        "query($a:Int=5){mySessions(first:$a){id}}",
        "query($a:String){users(search:$a,after:$a){nodes{id}}}",
        "query($a:DateTime,$b:AuditEventType){auditEvents(since:$a,type:$b){nodes{id}}}",
        "query($a:Boolean!){me{id@include(if:$a)}}",
        "query($a:[_Any!]!){_entities(representations:$a){...on User{id items{id}}}}",
        "mutation($a:ID!,$b:[Role!]!){setUserRoles(id:$a,roles:$b){id}}",
        "mutation($a:CreateItemInput!){createItem(input:$a){id}}",
        "mutation($a:RegisterInput!){register(input:$a){username}}",
        "query($toString:Int,$__proto__:Int){myItems(first:$toString){id}b:myItems(first:$__proto__){id}}",
      ),
      variables: fc.dictionary(fc.constantFrom("a", "b", "toString", "__proto__"), HOSTILE, { minKeys: 1 }),
    }),
    fc.record(
      {
        query: fc.oneof(fc.constant<unknown>("{me{id}}"), HOSTILE),
        variables: HOSTILE,
        operationName: HOSTILE,
        extensions: fc.oneof(HOSTILE, fc.record({ persistedQuery: HOSTILE })),
        documentId: HOSTILE,
      },
      { requiredKeys: ["query"] },
    ),
  );
  const operation = fc.oneof(
    { weight: 3, arbitrary: fc.record({ query: documents, variables: fc.dictionary(names, word) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        query: fc.oneof(documents, fc.jsonValue()),
        variables,
        operationName: fc.oneof(word, fc.constant(null), fc.jsonValue()),
        extensions: fc.jsonValue(),
      }),
    },
  );
  const json = fc.oneof(
    { weight: 30, arbitrary: operation.map((value) => JSON.stringify(value)) },
    { weight: 6, arbitrary: hostile.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.array(operation, { maxLength: 5 }).map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.json() },
    {
      weight: 1,
      arbitrary: fc
        .integer({ min: 1, max: 20_000 })
        .map((depth) => '{"query":"{me{id}}","variables":'.concat("[".repeat(depth))),
    },
    {
      weight: 1,
      arbitrary: fc
        .integer({ min: 1, max: 3_000 })
        .map((depth) => `{"query":"{me{id}}","variables":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}`),
    },
    {
      weight: 1,
      arbitrary: NUMBER.map(
        (number) => `{"query":"query($a:Int){users(first:$a){nodes{id}}}","variables":{"a":${number}}}`,
      ),
    },
  );
  const form = fc
    .array(
      fc.tuple(
        fc.constantFrom(
          ...["grant_type", "username", "password", "refresh_token", "token", "scope"],
          ...HOSTILE_NAMES,
        ),
        fc.oneof(fc.constantFrom("password", "refresh_token"), word),
      ),
      { maxLength: 6 },
    )
    .map((pairs) =>
      pairs.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join("&"),
    );
  const text = fc.oneof(
    { weight: 20, arbitrary: json },
    { weight: 2, arbitrary: mutated(json) },
    { weight: 2, arbitrary: form },
    { weight: 1, arbitrary: mutated(form) },
  );
  const body = fc.oneof(
    { weight: 600, arbitrary: text.map((value) => Buffer.from(value)) },
    // UTF-16 bytes, which are mostly invalid UTF-8.
    { weight: 20, arbitrary: text.map((value) => Buffer.from(value, "utf16le")) },
    { weight: 20, arbitrary: fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 20, arbitrary: fc.constant(Buffer.alloc(0)) },
    { weight: 1, arbitrary: fc.constant(Buffer.alloc(70_000, 32)) },
  );
  return fc
    .tuple(
      fc.oneof(
        { weight: 8, arbitrary: fc.constant("POST") },
        { weight: 2, arbitrary: fc.constantFrom(...METHODS) },
      ),
      fc.oneof(
        { weight: 16, arbitrary: fc.constant("/graphql") },
        { weight: 4, arbitrary: fc.constantFrom(...PATHS) },
        {
          weight: 1,
          arbitrary: hostile.map((parts) => {
            const search = new URLSearchParams();
            for (const [name, value] of Object.entries(parts))
              search.append(name, typeof value === "string" ? value : JSON.stringify(value));
            return `/graphql?${search}`;
          }),
        },
      ),
      headersOf(word, tokens),
      body,
    )
    .map(([method, path, headers, content]) => ({
      method: path.startsWith("/graphql?") ? "GET" : method,
      path,
      headers,
      body: content,
    }));
}

function documentsOf(word: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const field = fc
    .constantFrom(...ROOT_FIELDS)
    .chain(({ operation, field }) => fieldOf(field, word, 0).map((text) => ({ operation, text })));
  const whole = fc.oneof(
    { weight: 6, arbitrary: field.map(({ operation, text }) => `${operation} { ${text} }`) },
    {
      weight: 2,
      arbitrary: fc
        .array(field, { minLength: 1, maxLength: 30 })
        .map(
          (fields) =>
            `${fields[0]!.operation} { ${fields.map(({ text }, n) => `a${n}: ${text}`).join(" ")} }`,
        ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "{__schema{types{name}}}",
        "{__typename}",
        "fragment F on User{...F} {me{...F}}",
        "subscription{me{id}}",
        `{${"me{items{owner{".repeat(100)}`,
      ),
    },
    { weight: 1, arbitrary: TEXT },
  );
  return fc.oneof({ weight: 2, arbitrary: whole }, { weight: 1, arbitrary: mutated(whole) });
}

function fieldOf(
  field: GraphQLField<unknown, unknown>,
  word: fc.Arbitrary<string>,
  depth: number,
): fc.Arbitrary<string> {
  const type = getNamedType(field.type);
  const parts = field.args.map((arg) =>
    fc.option(
      literalOf(arg.type, word).map((value) => `${arg.name}: ${value}`),
      { freq: 8, nil: "" },
    ),
  );
  const args = fc.tuple(...parts).map((all) => all.filter((part) => part !== "").join(", "));
  const selection: fc.Arbitrary<string> =
    isLeafType(type) || !isObjectType(type) || depth > 2
      ? fc.constant(isLeafType(type) ? "" : " { __typename }")
      : fc
          .uniqueArray(fc.constantFrom(...Object.values(type.getFields())), { minLength: 1, maxLength: 4 })
          .chain((fields) => fc.tuple(...fields.map((each) => fieldOf(each, word, depth + 1))))
          .map((fields) => ` { ${fields.join(" ")} }`);
  return fc.tuple(args, selection).map(([list, fields]) => `${field.name}${list && `(${list})`}${fields}`);
}

function literalOf(type: GraphQLInputType, word: fc.Arbitrary<string>): fc.Arbitrary<string> {
  if (isNonNullType(type)) return literalOf(type.ofType, word);
  if (isListType(type))
    return fc.array(literalOf(type.ofType, word), { maxLength: 4 }).map((all) => `[${all.join(", ")}]`);
  if (isEnumType(type)) return fc.constantFrom(...type.getValues().map(({ name }) => name), "NONE");
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields());
    return fc
      .tuple(...fields.map((field) => literalOf(field.type, word)))
      .map((values) => `{ ${values.map((value, n) => `${fields[n]!.name}: ${value}`).join(", ")} }`);
  }
  const fitting =
    type.name === "Int"
      ? fc.integer().map(String)
      : type.name === "Boolean"
        ? fc.constantFrom("true", "false")
        : type.name === "_Any"
          ? word.map((text) => `{ __typename: "User", id: ${JSON.stringify(text)} }`)
          : word.map((text) => JSON.stringify(text));
  return fc.oneof(
    { weight: 9, arbitrary: fitting },
    { weight: 1, arbitrary: fc.oneof(fc.constantFrom("null", "$a", "{}", "[]"), NUMBER) },
  );
}

/** A text with parts removed, doubled or replaced. */
function mutated(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.nat(12),
    put: fc.oneof(TEXT, fc.constantFrom("{", "}", '"', "...", "@skip(if:true)", "#", "$a", "!")),
    twice: fc.boolean(),
  });
  return fc.tuple(texts, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([text, edits]) =>
    edits.reduce((result, { at, length, put, twice }) => {
      const start = Math.floor(at * result.length);
      const part = result.slice(start, start + length);
      return result.slice(0, start) + (twice ? part + part : put) + result.slice(start + length);
    }, text),
  );
}

function headersOf(word: fc.Arbitrary<string>, tokens: string[]): fc.Arbitrary<Record<string, string>> {
  // Only the characters that Node allows in a header.
  const value = word.map((text) => text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "").slice(0, 500));
  const authorization = fc
    .tuple(
      fc.constantFrom("Bearer ", "bearer ", "Basic ", "Bearer", ""),
      fc.oneof(fc.constantFrom(...tokens), value),
    )
    .map((parts) => parts.join(""));
  const mediaType = fc.oneof(
    { weight: 30, arbitrary: fc.constant("application/json") },
    { weight: 4, arbitrary: fc.constantFrom(...MEDIA_TYPES) },
    { weight: 1, arbitrary: value },
  );
  const usual = { "content-type": mediaType, authorization };
  const unusual = {
    accept: fc.oneof(fc.constantFrom(...MEDIA_TYPES), value),
    "accept-encoding": fc.oneof(fc.constantFrom("gzip", "br;q=1", "*"), value),
    "content-encoding": fc.constantFrom("gzip", "br", "identity", "x"),
    "x-forwarded-for": fc.oneof(fc.ipV4(), fc.ipV6(), value),
    "user-agent": value,
    cookie: value,
    origin: value,
    host: fc.oneof(fc.constantFrom("evil.example", "localhost:1"), value),
    "x-request-id": value,
    range: value,
    expect: fc.constant("100-continue"),
    "x-http-method-override": fc.constantFrom(...METHODS),
  };
  return fc.oneof(
    { weight: 3, arbitrary: fc.record(usual, { requiredKeys: ["content-type"] }) },
    { weight: 1, arbitrary: fc.record({ ...usual, ...unusual }, { requiredKeys: ["content-type"] }) },
  ) as fc.Arbitrary<Record<string, string>>;
}
