// Before any decorator of graphql/ runs.
import "reflect-metadata";
import type { GraphQLSchema } from "graphql";
import type { Latchkey } from "../compose.js";
import type { Config } from "../config.js";
import { AdministrationResolver } from "../graphql/administration.js";
import { AuditLogResolver } from "../graphql/audit-log.js";
import { FederationResolver, printSubgraphSdl } from "../graphql/federation.js";
import { ItemResolver, UserItemsResolver } from "../graphql/item.js";
import { MfaResolver } from "../graphql/mfa.js";
import { OwnAccountResolver } from "../graphql/own-account.js";
import { PasskeyResolver } from "../graphql/passkey.js";
import { PasswordRecoveryResolver } from "../graphql/password-recovery.js";
import { RegistrationResolver } from "../graphql/registration.js";
import { createSchema } from "../graphql/schema.js";
import { SessionResolver } from "../graphql/session.js";
import { SettingsResolver } from "../graphql/settings.js";
import { SignInResolver } from "../graphql/sign-in.js";

/** Builds the GraphQL schema over the parts; with FEDERATION=on, that of a subgraph. */
export function composeSchema(
  latchkey: Latchkey,
  { federation, introspection }: Partial<Pick<Config, "federation" | "introspection">> = {},
): GraphQLSchema {
  if (!federation) return build(latchkey);
  const sdl = introspection ? printSubgraph(latchkey) : undefined;
  return build(latchkey, [new FederationResolver({ access: latchkey.access, sdl })]);
}

/** The schema as the SDL of a subgraph. */
export function printSubgraph(latchkey: Latchkey): string {
  return printSubgraphSdl(build(latchkey));
}

function build(latchkey: Latchkey, others: object[] = []): GraphQLSchema {
  return createSchema(
    [
      new SettingsResolver(latchkey.settings),
      new SignInResolver(latchkey),
      new SessionResolver(latchkey),
      new MfaResolver(latchkey),
      new PasskeyResolver(latchkey),
      new OwnAccountResolver(latchkey.ownAccount),
      new RegistrationResolver(latchkey),
      new PasswordRecoveryResolver(latchkey),
      new AdministrationResolver(latchkey.administration),
      new AuditLogResolver(latchkey.auditLog),
      new ItemResolver(latchkey.items),
      new UserItemsResolver(),
      ...others,
    ],
    latchkey.access,
  );
}
