import { type GraphQLField, getNamedType, isEnumType, isListType, isNonNullType } from "graphql";
import { Extensions } from "type-graphql";

/**
 * The limits of a text, both for the argument that sets it and for the field that returns it. `maxBytes` limits its
 * JSON in UTF-8, without the quotes: JSON escapes make some characters longer.
 */
export type TextLimits = readonly [minCharacters: number, maxCharacters: number, maxBytes?: number];

/** The longest JSON form of a character: an escape such as `\u0001`. */
const MAX_CHARACTER_BYTES = 6;
const QUOTES = 2;

/** RFC 4291, 2.2, with room for a zone. */
export const IP_ADDRESS: TextLimits = [2, 64];

/** The most bytes of JSON that a value of a scalar takes. Other scalars declare it at the field. */
const SCALAR_BYTES: Partial<Record<string, number>> = {
  Boolean: 5,
  Int: 11,
  // A UUID.
  ID: 36 + QUOTES,
  DateTime: 24 + QUOTES,
  // RFC 5321, 4.5.3.1: 64 before the @ and 255 after it, all ASCII.
  EmailAddress: 320 + QUOTES,
  // Its length depends on the configured `iss` and `aud`.
  JWT: 4096,
};

/** Declares the most bytes of JSON that a value of a field takes. */
export const MaxBytes = (maxBytes: number) => Extensions({ maxBytes });

/** Declares the most bytes of the error for an item that is null, without the name of the field in its path. */
export const MaxErrorBytes = (maxErrorBytes: number) => Extensions({ maxErrorBytes });

/** Declares the limits of a text field. */
export const MaxText = ([, characters, bytes = characters * MAX_CHARACTER_BYTES]: TextLimits) =>
  MaxBytes(bytes + QUOTES);

/** Declares the most items of a list. "page": as many as the `first` of the field above. */
export const MaxItems = (maxItems: number | "page") => Extensions({ maxItems });

/** The length of a text as JSON, in bytes, without the quotes. */
export function jsonBytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - QUOTES;
}

/** The most bytes of JSON that a value of a scalar or an enum takes; infinity when it is not declared. */
export function maxBytesOf({ type, extensions }: GraphQLField<unknown, unknown>): number {
  const named = getNamedType(type);
  if (isEnumType(named)) return Math.max(...named.getValues().map(({ name }) => name.length)) + QUOTES;
  const declared = extensions["maxBytes"] as number | undefined;
  return declared ?? SCALAR_BYTES[named.name] ?? Number.POSITIVE_INFINITY;
}

/**
 * The most bytes of the error for an item that is null; 0 where no item can fail by itself.
 * @param name the name of the field in the answer
 */
export function maxErrorBytesOf({ extensions }: GraphQLField<unknown, unknown>, name: string): number {
  const declared = extensions["maxErrorBytes"] as number | undefined;
  return declared === undefined ? 0 : declared + name.length;
}

/** The most items of a field without `first`; infinity for a list that does not declare it. */
export function maxItemsOf({ type, extensions }: GraphQLField<unknown, unknown>): number {
  if (!isListType(isNonNullType(type) ? type.ofType : type)) return 1;
  const declared = extensions["maxItems"] as number | "page" | undefined;
  // The items of a page count at the field that takes `first`.
  return declared === "page" ? 1 : (declared ?? Number.POSITIVE_INFINITY);
}
