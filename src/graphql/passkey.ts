import { IsOptional } from "class-validator";
import { GraphQLJSONObject } from "graphql-scalars";
import { Args, ArgsType, Ctx, Field, ID, Mutation, ObjectType, Query, Resolver } from "type-graphql";
import { readAssertion, readAttestation } from "../crypto/passkey-responses.js";
import { RECOVERY_CODES } from "../services/mfa/factors.js";
import { MAX_PASSKEYS, type PasskeyOptions, type Passkeys } from "../services/mfa/passkeys.js";
import { RECENTLY } from "../services/sessions/recent-authentication.js";
import type { PasskeySignIn } from "../services/sign-in/passkey-sign-in.js";
import type { Reauthentication } from "../services/sign-in/reauthentication.js";
import type { Passkey } from "../storage/passkeys.js";
import { Auth, ENROLLING } from "./auth-checker.js";
import { actorOf, type Context, signedIn } from "./context.js";
import { MaxBytes, MaxItems, MaxText } from "./limits/max-size.js";
import { RECOVERY_CODE_BYTES } from "./mfa.js";
import { OncePerRequest } from "./once-per-request.js";
import { CHALLENGE, IsAssertion, IsAttestation } from "./passkey-arguments.js";
import { deliverToken, TokenType } from "./token.js";
import { IsId, IsText } from "./validation.js";

const NAME = [1, 64] as const;

/** The longest credential id and all transports, for each of a user's passkeys, and the rest of the options. */
const MAX_OPTIONS_BYTES = MAX_PASSKEYS * 1536 + 4096;

@ObjectType("PasskeyOptions", { description: "What a browser needs to create or use a passkey." })
class PasskeyOptionsType {
  @Field(() => GraphQLJSONObject, {
    description:
      "The `publicKey` for `navigator.credentials`, as `PublicKeyCredential.parseCreationOptionsFromJSON` and `parseRequestOptionsFromJSON` take it.",
  })
  @MaxBytes(MAX_OPTIONS_BYTES)
  publicKey!: object;

  @Field(() => Date, { description: "When the challenge in the options expires. It works once." })
  expiresAt!: Date;
}

@ObjectType("Passkey", { description: "A passkey of a user." })
class PasskeyType {
  @Field(() => ID, { description: "The passkey's permanent id." })
  id!: string;

  @Field(() => String, { description: "What the user calls it." })
  @MaxText(NAME)
  name!: string;

  @Field(() => Boolean, {
    description: "Whether the passkey is synced between devices.",
  })
  synced!: boolean;

  @Field(() => Date, { description: "When it was added." })
  createdAt!: Date;

  @Field(() => Date, { nullable: true, description: "When it was last used; null when it never was." })
  lastUsedAt!: Date | null;
}

@ObjectType("RegisteredPasskey", {
  description: "A new passkey, and the recovery codes that come with a user's first factor.",
})
class RegisteredPasskeyType {
  @Field(() => PasskeyType, { description: "The new passkey." })
  passkey!: PasskeyType;

  @Field(() => [String], {
    description:
      "The recovery codes, if this is the user's first factor; otherwise empty. They are not shown again.",
  })
  @MaxItems(RECOVERY_CODES)
  @MaxBytes(RECOVERY_CODE_BYTES)
  recoveryCodes!: string[];
}

@ArgsType()
class PasskeyOptionsArgs {
  @Field(() => String, {
    nullable: true,
    description:
      "The challenge from `signIn`, or from the error of `login`. Without it, the passkey alone signs the user in.",
  })
  @IsOptional()
  @IsText(...CHALLENGE)
  challenge?: string | null;
}

@ArgsType()
class VerifyPasskeyArgs extends PasskeyOptionsArgs {
  @Field(() => GraphQLJSONObject, {
    description: "The credential that `navigator.credentials.get` returned, converted with `toJSON()`.",
  })
  @IsAssertion()
  credential!: object;
}

@ArgsType()
class RegisterPasskeyArgs {
  @Field(() => String, { description: "A name to recognize it by: 1 to 64 characters." })
  @IsText(...NAME)
  name!: string;

  @Field(() => GraphQLJSONObject, {
    description: "The credential that `navigator.credentials.create` returned, converted with `toJSON()`.",
  })
  @IsAttestation()
  credential!: object;
}

@ArgsType()
class PasskeyArgs {
  @Field(() => ID, { description: "The id of the passkey." })
  @IsId()
  id!: string;
}

@ArgsType()
class RenamePasskeyArgs extends PasskeyArgs {
  @Field(() => String, { description: "Its new name: 1 to 64 characters." })
  @IsText(...NAME)
  name!: string;
}

export interface PasskeyResolverDeps {
  passkeys: Passkeys;
  passkeySignIn: PasskeySignIn;
  reauthentication: Reauthentication;
}

@Resolver()
export class PasskeyResolver {
  constructor(private readonly deps: PasskeyResolverDeps) {}

  @OncePerRequest()
  @Mutation(() => PasskeyOptionsType, {
    description:
      "Returns the options to sign in with a passkey: as a second factor, or on its own without a username. Errors: `INVALID_TOKEN` (the challenge is no longer valid: sign in again), `NOT_FOUND` (the user has no passkey), `FORBIDDEN` (the server has no passkeys), `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async passkeyOptions(
    @Ctx() { caller }: Context,
    @Args(() => PasskeyOptionsArgs) { challenge }: PasskeyOptionsArgs,
  ) {
    return toOptionsType(await this.deps.passkeySignIn.options(challenge ?? undefined, caller));
  }

  @OncePerRequest()
  @Mutation(() => TokenType, {
    description:
      "Signs a user in with a passkey, and creates a session. Pass the same challenge as to `passkeyOptions`, or none. Errors: `INVALID_TOKEN` (the challenge is no longer valid: start again), `INVALID_CREDENTIALS` (the passkey is not valid, or not of this account), `ACCOUNT_DISABLED`, `EMAIL_NOT_VERIFIED`, `FORBIDDEN` (the server has no passkeys), `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async verifyPasskey(
    @Ctx() { caller, refreshCookie }: Context,
    @Args(() => VerifyPasskeyArgs) { challenge, credential }: VerifyPasskeyArgs,
  ) {
    const assertion = readAssertion(credential)!;
    const issued = await this.deps.passkeySignIn.verify(challenge ?? undefined, assertion, caller);
    return deliverToken(issued, refreshCookie);
  }

  @Auth()
  @Query(() => [PasskeyType], {
    description: "The signed-in user's passkeys, oldest first. Errors: `UNAUTHENTICATED`.",
  })
  @MaxItems(MAX_PASSKEYS)
  async myPasskeys(@Ctx() context: Context) {
    return (await this.deps.passkeys.list(signedIn(context).user.id)).map(toPasskeyType);
  }

  @Auth("USER", ENROLLING)
  @Mutation(() => PasskeyOptionsType, {
    description: `Returns the options to create a passkey. Nothing changes before \`registerPasskey\`. Errors: \`UNAUTHENTICATED\`, \`REAUTHENTICATION_REQUIRED\`, \`LIMIT_REACHED\` (the user has ${MAX_PASSKEYS} passkeys), \`FORBIDDEN\` (the server has no passkeys).`,
  })
  async startPasskeyRegistration(@Ctx() context: Context) {
    return toOptionsType(await this.deps.passkeys.start(actorOf(context)));
  }

  @Auth("USER", ENROLLING)
  @OncePerRequest()
  @Mutation(() => RegisteredPasskeyType, {
    description: `Adds a passkey: a second factor that also signs the user in on its own. With the user's first factor it returns recovery codes, which are not shown again. Errors: \`UNAUTHENTICATED\`, \`REAUTHENTICATION_REQUIRED\`, \`INVALID_TOKEN\` (the challenge is no longer valid: start again), \`INVALID_CREDENTIALS\` (the passkey is not valid), \`CONFLICT\` (it is registered already), \`LIMIT_REACHED\` (the user has ${MAX_PASSKEYS} passkeys), \`FORBIDDEN\` (the server has no passkeys), \`BAD_USER_INPUT\`, \`RATE_LIMITED\`.`,
  })
  async registerPasskey(
    @Ctx() context: Context,
    @Args(() => RegisterPasskeyArgs) { name, credential }: RegisterPasskeyArgs,
  ): Promise<RegisteredPasskeyType> {
    const attestation = readAttestation(credential)!;
    const registered = await this.deps.passkeys.register(actorOf(context), name, attestation);
    return { ...registered, passkey: toPasskeyType(registered.passkey) };
  }

  @Auth()
  @Mutation(() => PasskeyType, {
    description:
      "Renames one of the signed-in user's passkeys. Errors: `UNAUTHENTICATED`, `NOT_FOUND` (also for another user's passkey), `BAD_USER_INPUT`.",
  })
  async renamePasskey(
    @Ctx() context: Context,
    @Args(() => RenamePasskeyArgs) { id, name }: RenamePasskeyArgs,
  ) {
    return toPasskeyType(await this.deps.passkeys.rename(actorOf(context), id, name));
  }

  @Auth("USER", RECENTLY)
  @Mutation(() => Boolean, {
    description:
      "Deletes one of the signed-in user's passkeys, and with the last factor the recovery codes. Always returns true. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `NOT_FOUND` (also for another user's passkey), `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async deletePasskey(@Ctx() context: Context, @Args(() => PasskeyArgs) { id }: PasskeyArgs) {
    await this.deps.passkeys.delete(actorOf(context), id);
    return true;
  }

  @Auth("USER", { beforeEnrollment: true })
  @Mutation(() => PasskeyOptionsType, {
    description:
      "Returns the options to reauthenticate with a passkey. Errors: `UNAUTHENTICATED`, `NOT_FOUND` (the user has no passkey), `FORBIDDEN` (the server has no passkeys).",
  })
  async startPasskeyReauthentication(@Ctx() context: Context) {
    return toOptionsType(await this.deps.reauthentication.startWithPasskey(actorOf(context)));
  }
}

function toOptionsType({ publicKey, expiresAt }: PasskeyOptions): PasskeyOptionsType {
  return { publicKey, expiresAt: new Date(expiresAt) };
}

function toPasskeyType({ id, name, synced, createdAt, lastUsedAt }: Passkey): PasskeyType {
  return {
    id,
    name,
    synced,
    createdAt: new Date(createdAt),
    lastUsedAt: lastUsedAt === null ? null : new Date(lastUsedAt),
  };
}
