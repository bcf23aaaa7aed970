import { execFileSync } from "node:child_process";
import type { CodegenConfig } from "@graphql-codegen/cli";

/** Typed documents for the tests, generated as a client of Latchkey does; from the schema of the code as it is. */
const config: CodegenConfig = {
  schema: execFileSync(process.execPath, ["dist/cli.js", "schema", "print"], { encoding: "utf8" }),
  documents: ["test/**/*.ts", "bench/**/*.ts", "!test/gql/**", "!bench/node_modules/**"],
  generates: {
    "test/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false, persistedDocuments: true },
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        scalars: {
          DateTime: "string",
          EmailAddress: "string",
          JWT: "string",
          JSONObject: "Record<string, unknown>",
        },
      },
    },
  },
  emitLegacyCommonJSImports: false,
  importExtension: ".js",
};

export default config;
