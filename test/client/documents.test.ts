import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "@graphql-codegen/cli";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { sha256DocumentId } from "@latchkey/client";
import { documentNode } from "@latchkey/client/apollo";
import * as documents from "@latchkey/client/documents";
import { parse } from "graphql";
import config from "../../packages/client/codegen.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { makeClient, signedInClient } from "../support/client.js";
import { makeUser } from "../support/users.js";

/** Fields that the client uses itself, and those for which it uses another one. */
const IN_THE_CLIENT = [
  ...[
    "signIn",
    "verifyTotp",
    "verifyRecoveryCode",
    "passkeyOptions",
    "verifyPasskey",
    "refreshToken",
    "logout",
  ],
  ...["reauthenticate", "startPasskeyReauthentication", "changePassword", "login"],
];

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

describe("the documents of the client", () => {
  test("are those that the schema and packages/client/documents generate: npm run documents", async () => {
    const cwd = resolve("packages/client");
    const files: { filename: string; content: string }[] = await generate(
      { ...config, cwd, silent: true },
      false,
    );
    expect(files.map(({ filename }) => basename(filename)).sort()).toEqual([
      "documents.ts",
      "operations.ts",
      "persisted-documents.json",
    ]);
    for (const { filename, content } of files)
      expect(content).toBe(readFileSync(join(cwd, filename), "utf8"));
  });

  test("use every field of the schema, except those that the client uses itself", () => {
    const used = new Set(IN_THE_CLIENT);
    for (const document of Object.values(documents)) {
      for (const definition of parse(document).definitions)
        if (definition.kind === "OperationDefinition")
          for (const selection of definition.selectionSet.selections)
            if (selection.kind === "Field") used.add(selection.name.value);
    }
    const { schema } = app;
    const fields = [schema.getQueryType(), schema.getMutationType()].flatMap((type) =>
      Object.keys(type!.getFields()),
    );
    expect([...used].sort()).toEqual(fields.sort());
  });

  test("have the types of their variables and results", async () => {
    const { latchkey, username } = await signedInClient(app);
    const { me } = await latchkey.request(documents.MeDocument);
    expect([me.username, me.roles satisfies ("USER" | "ADMIN")[]]).toEqual([username, ["USER"]]);
    const { createItem } = await latchkey.request(documents.CreateItemDocument, {
      input: { title: "Bread" },
    });
    const { myItems } = await latchkey.request(documents.MyItemsDocument, { first: 1 });
    expect(myItems).toEqual([createItem]);
    // @ts-expect-error A title is required.
    await expect(latchkey.request(documents.CreateItemDocument, { input: {} })).rejects.toMatchObject({
      code: "BAD_USER_INPUT",
    });
    // @ts-expect-error The variables are required.
    await expect(latchkey.request(documents.DeleteItemDocument)).rejects.toMatchObject({
      code: "BAD_USER_INPUT",
    });
    const { settings } = await makeClient(app).latchkey.request(documents.SettingsDocument);
    expect(settings.mfaRequiredFor).toBe("NONE");
  });

  test("run on a server that runs persisted documents only", async () => {
    const { username } = await makeUser(app);
    const manifest = fileURLToPath(import.meta.resolve("@latchkey/client/persisted-documents.json"));
    const strict = await makeApp({
      databaseUrl: app.databaseUrl,
      config: { persistedDocuments: manifest },
    });
    const { latchkey } = makeClient(strict, { documentId: sha256DocumentId });
    await latchkey.signIn(username, PASSWORD);
    expect((await latchkey.request(documents.MeDocument)).me.username).toBe(username);
    await latchkey.signOut();
    const own = Object.assign(new String("{ me { id } }"), { __meta__: { hash: "an-id" } });
    await expect(latchkey.request(own)).rejects.toMatchObject({ code: "PERSISTED_DOCUMENT_NOT_FOUND" });
    expect(await sha256DocumentId(own)).toBe("an-id");
  });

  test("are one node each for Apollo Client", () => {
    const node = documentNode(documents.MyItemsDocument);
    expect(node).toBe(documentNode(documents.MyItemsDocument));
    expect(node.definitions).toHaveLength(2);
  });
});
