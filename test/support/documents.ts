/** One text for each number up to the count. */
export const many = (count: number, text: (n: number) => string, separator = " ") =>
  Array.from({ length: count }, (_, n) => text(n)).join(separator);

/** The answer to a document that is refused with one error. */
export const REFUSED = (code: string, message: string) => ({
  status: 400,
  errors: [{ message, extensions: { code } }],
});
