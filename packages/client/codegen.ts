import type { CodegenConfig } from "@graphql-codegen/cli";

/** Documents as text, with types. */
const text = {
  plugins: ["typescript-operations", "./string-documents.ts"],
  config: {
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
};

/** The operations that the client sends itself, and those of @latchkey/client/documents. */
const config: CodegenConfig = {
  schema: "../../schema.graphql",
  generates: {
    "src/operations.ts": { ...text, documents: "operations/*.graphql" },
    "src/documents.ts": { ...text, documents: "documents/*.graphql" },
    "persisted-documents.json": {
      plugins: ["./string-documents.ts"],
      config: { manifest: true },
      documents: ["operations/*.graphql", "documents/*.graphql"],
    },
  },
};

export default config;
