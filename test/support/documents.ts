/** Joins one text for each number below the count. */
export const many = (count: number, text: (n: number) => string, separator = " ") =>
  Array.from({ length: count }, (_, n) => text(n)).join(separator);

/** The expected answer to a document that is refused with one error. */
export const REFUSED = (code: string, message: string) => ({
  status: 400,
  errors: [{ message, extensions: { code } }],
});
