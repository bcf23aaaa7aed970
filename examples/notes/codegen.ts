import type { CodegenConfig } from "@graphql-codegen/cli";

/** Typed documents from the schemas of both services, into src/gql/. */
const config: CodegenConfig = {
  schema: ["../../schema.graphql", "service/schema.graphql"],
  documents: ["src/**/*.{ts,tsx}", "!src/gql/**"],
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
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
};

export default config;
