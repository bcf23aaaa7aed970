import type { CodegenConfig } from "@graphql-codegen/cli";

/** Typed documents for the tests, the same way a client of Latchkey makes its own. */
const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: ["test/**/*.ts", "bench/**/*.ts", "!test/gql/**"],
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
