import { type GraphQLField, getNamedType, isEnumType, isListType, isNonNullType } from "graphql";
import { Extensions } from "type-graphql";

/**
 * The limits of a text, for the rule of the argument that sets it and for the size of the field that returns it.
 * `bytes` is what its JSON may take in UTF-8, without the quotes. JSON writes some characters longer than UTF-8 does.
 */
export type TextLimits = readonly [minCharacters: number, maxCharacters: number, maxBytes?: number];

/** JSON writes a control character as `\u0001`; no other character takes more bytes. */
const MAX_CHARACTER_BYTES = 6;
const QUOTES = 2;

/** RFC 4291, 2.2, with room for a zone. */
export const IP_ADDRESS: TextLimits = [2, 64];

/** What JSON takes for the values of a scalar, in bytes. What is not here is declared at the field. */
const SCALAR_BYTES: Partial<Record<string, number>> = {
  Boolean: 5,
  Int: 11,
  // A UUID.
  ID: 36 + QUOTES,
  DateTime: 24 + QUOTES,
  // RFC 5321, 4.5.3.1: 64 before the @ and 255 behind it, all of them ASCII.
  EmailAddress: 320 + QUOTES,
  // What makes one long is the configuration's: `iss` and `aud`.
  JWT: 4096,
};

/** Declares the most bytes of JSON that one value of a field takes. */
export const MaxBytes = (maxBytes: number) => Extensions({ maxBytes });

/** Declares that a field returns a text within these limits. */
export const MaxText = ([, characters, bytes = characters * MAX_CHARACTER_BYTES]: TextLimits) =>
  MaxBytes(bytes + QUOTES);

/** Declares how many items a list has at most; "page": as many as the field above asks for by `first`. */
export const MaxItems = (maxItems: number | "page") => Extensions({ maxItems });

/** The bytes of JSON that a text takes, without the quotes. */
export function jsonBytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - QUOTES;
}

/** The most bytes of JSON that one value of a scalar or an enum takes; endless when it is nowhere declared. */
export function maxBytesOf({ type, extensions }: GraphQLField<unknown, unknown>): number {
  const named = getNamedType(type);
  if (isEnumType(named)) return Math.max(...named.getValues().map(({ name }) => name.length)) + QUOTES;
  const declared = extensions["maxBytes"] as number | undefined;
  return declared ?? SCALAR_BYTES[named.name] ?? Number.POSITIVE_INFINITY;
}

/** How many items a field has at most that takes no `first`; endless for a list that declares nothing. */
export function maxItemsOf({ type, extensions }: GraphQLField<unknown, unknown>): number {
  if (!isListType(isNonNullType(type) ? type.ofType : type)) return 1;
  const declared = extensions["maxItems"] as number | "page" | undefined;
  // Those of a page are counted where it is asked for.
  return declared === "page" ? 1 : (declared ?? Number.POSITIVE_INFINITY);
}
