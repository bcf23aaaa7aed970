/** Jest on real ES modules: swc only strips types and writes the decorators' metadata. */
export default {
  testEnvironment: "node",
  roots: ["<rootDir>/test"],
  testMatch: ["**/*.test.ts"],
  extensionsToTreatAsEsm: [".ts"],
  moduleNameMapper: { "^(\\.{1,2}/.*)\\.js$": "$1" },
  transform: {
    "\\.ts$": [
      "@swc/jest",
      {
        jsc: {
          target: "es2023",
          parser: { syntax: "typescript", decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: "es6" },
      },
    ],
  },
  setupFiles: ["<rootDir>/test/support/record-answers.ts"],
  setupFilesAfterEnv: ["<rootDir>/test/support/each-file.ts"],
  globalSetup: "<rootDir>/test/support/global-setup.ts",
  globalTeardown: "<rootDir>/test/support/global-teardown.ts",
  coverageProvider: "v8",
  collectCoverage: false,
  collectCoverageFrom: ["src/**/*.ts"],
  coverageReporters: ["text-summary"],
  // Many tests wait: with as many as there are cores, some of them idle.
  maxWorkers: 3,
  testTimeout: 60_000,
  // A worker frees a large heap when it ends: on a busy machine that takes longer than Jest's half a second.
  workerGracefulExitTimeout: 10_000,
};
