import type * as Globals from "@jest/globals";

type Jest = Pick<typeof Globals.jest, "spyOn" | "useFakeTimers" | "useRealTimers" | "advanceTimersByTime">;
type TestGlobals = Omit<typeof Globals, "jest"> & { jest: Jest };

// What test files get from @jest/globals. Each file has functions of its own. Modules that were loaded for an earlier
// file see the new ones, because exports are live bindings.
export let afterAll: TestGlobals["afterAll"];
export let afterEach: TestGlobals["afterEach"];
export let beforeAll: TestGlobals["beforeAll"];
export let beforeEach: TestGlobals["beforeEach"];
export let describe: TestGlobals["describe"];
export let expect: TestGlobals["expect"];
export let jest: TestGlobals["jest"];
export let test: TestGlobals["test"];

/** Sets the functions of the test file that runs next. */
export function setGlobals(globals: TestGlobals): void {
  ({ afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } = globals);
}
