import { expect } from "@jest/globals";
import type { Answer } from "./app.js";

/** The errors that an answer is expected to have when it has one. */
export const error = (message: string, extensions: object) => [
  expect.objectContaining({ message, extensions }),
];

export const INVALID_TOKEN = {
  message: "The token is unknown, used or expired. Ask for a new email.",
  extensions: { code: "INVALID_TOKEN" },
};

export const errorOf = ({ errors }: Answer<unknown>) =>
  errors?.map(({ message, extensions }) => ({ message, extensions }))[0];
export const codeOf = (answer: Answer<unknown>) => errorOf(answer)?.extensions?.["code"];
/** "OK", or the code of the error. */
export const outcomeOf = (answer: Answer<unknown>): string => (codeOf(answer) as string) ?? "OK";
export const violationOf = ({ errors }: Answer<unknown>) =>
  (errors?.[0]?.extensions?.["violations"] as { field: string; rule: string; message: string }[])?.[0];
