import { expect, test } from "@jest/globals";
import { LatchkeyError } from "@latchkey/client";
import { sentenceFor } from "../../explorer/src/messages.js";

const limited = (retryAfter: number) =>
  new LatchkeyError(`Too many attempts. Try again in ${retryAfter} second${retryAfter === 1 ? "" : "s"}.`, {
    code: "RATE_LIMITED",
    retryAfter,
  });

test.each([
  [1, "1 second"],
  [40, "40 seconds"],
  [119, "119 seconds"],
  [120, "2 minutes"],
  [901, "16 minutes"],
  [7200, "2 hours"],
])("RATE_LIMITED says how long to wait: %i seconds", (retryAfter, duration) => {
  expect(sentenceFor(limited(retryAfter))).toBe(`Too many attempts. Try again in ${duration}.`);
});

test("any other error of the server says what it says", () => {
  const error = new LatchkeyError("The username or the password is wrong.", { code: "INVALID_CREDENTIALS" });
  expect(sentenceFor(error)).toBe("The username or the password is wrong.");
  const endless = "Too many failed attempts. Set a new password with `requestPasswordReset`.";
  expect(sentenceFor(new LatchkeyError(endless, { code: "RATE_LIMITED", retryAfter: 3600 }))).toBe(endless);
});

test.each([
  ["NotAllowedError", "No passkey was used."],
  [
    "SecurityError",
    "Passkeys do not work at this address. Its host name must be WEBAUTHN_RP_ID, or below it.",
  ],
])("a passkey that fails with %s", (name, sentence) => {
  expect(sentenceFor(new DOMException("", name))).toBe(sentence);
});

test("a defect", () => {
  expect(sentenceFor(new TypeError("x is undefined"))).toBe(
    "Something went wrong. See the browser's console.",
  );
});
