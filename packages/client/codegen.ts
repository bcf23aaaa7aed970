import type { CodegenConfig } from "@graphql-codegen/cli";

/** The documents of @latchkey/client/documents, as text with types. */
const config: CodegenConfig = {
  schema: "../../schema.graphql",
  documents: ["documents/*.graphql"],
  generates: {
    "src/documents.ts": {
      plugins: ["typescript-operations", "./string-documents.ts"],
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        skipTypename: true,
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
