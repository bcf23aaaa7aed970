/** HS256 requires a key of at least 256 bits (RFC 7518, 3.2). */
export const MIN_SECRET_BYTES = 32;

/** Reads variables of an environment. */
export type Reader = ReturnType<typeof readerOf>;

/**
 * Returns functions that read variables of an environment. An empty one counts as not set.
 * @param problems receives a line for each variable that is not valid, without its value
 */
export function readerOf(env: NodeJS.ProcessEnv, problems: string[]) {
  function read<T>(name: string, fallback: T, expects: string, parse: (value: string) => T | undefined): T {
    const value = env[name];
    if (value === undefined || value === "") return fallback;
    const parsed = parse(value);
    if (parsed !== undefined) return parsed;
    problems.push(`${name} must be ${expects}`);
    return fallback;
  }
  return {
    read,
    oneOf: <T extends string>(name: string, fallback: T, choices: readonly T[]) =>
      read<T>(name, fallback, `one of ${choices.join(", ")}`, (value) => choices.find((c) => c === value)),
    integer: (name: string, fallback: number, min: number, max: number) =>
      read(name, fallback, `a whole number from ${min} to ${max}`, (value) => {
        const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
        return number >= min && number <= max ? number : undefined;
      }),
    secret: (name: string) =>
      read<string | undefined>(name, undefined, `${MIN_SECRET_BYTES} bytes or more`, (value) =>
        Buffer.byteLength(value) >= MIN_SECRET_BYTES ? value : undefined,
      ),
  };
}
