import { Args, ArgsType, Ctx, Field, Int, Mutation, ObjectType, Query, Resolver } from "type-graphql";
import type { AuthenticatorApp } from "../services/mfa/authenticator-app.js";
import { RECOVERY_CODES } from "../services/mfa/factors.js";
import type { Passkeys } from "../services/mfa/passkeys.js";
import type { RecoveryCodes } from "../services/mfa/recovery-codes.js";
import { hasSecondFactor, RECENTLY } from "../services/sessions/recent-authentication.js";
import { Auth, ENROLLING } from "./auth-checker.js";
import { actorOf, type Context, signedIn } from "./context.js";
import { MaxBytes, MaxItems, MaxText } from "./limits/max-size.js";
import { OncePerRequest } from "./once-per-request.js";
import { IsText } from "./validation.js";

/** An `otpauth:` URI with the longest service name and username, percent-encoded. */
const URI = [1, 2000] as const;
const MAX_QR_CODE_BYTES = 128 * 1024;
/** The most bytes of a recovery code. */
export const RECOVERY_CODE_BYTES = 40;

@ObjectType("TotpEnrollment", { description: "What an authenticator app needs to know. Show it once." })
class TotpEnrollmentType {
  @Field(() => String, { description: "The secret in base32, to type into the app." })
  @MaxText([32, 32])
  secret!: string;

  @Field(() => String, { description: "The `otpauth:` URI, to open the app with." })
  @MaxText(URI)
  uri!: string;

  @Field(() => String, { description: "The URI as a QR code to scan: an SVG image as a data URI." })
  @MaxBytes(MAX_QR_CODE_BYTES)
  qrCode!: string;
}

@ObjectType("MfaStatus", { description: "The second factors of the signed-in user." })
class MfaStatusType {
  @Field(() => Boolean, { description: "Whether signing in with the password requires a second factor." })
  enabled!: boolean;

  @Field(() => Boolean, { description: "Whether the user has an authenticator app." })
  totp!: boolean;

  @Field(() => Int, { description: "How many passkeys the user has; `myPasskeys` lists them." })
  passkeys!: number;

  @Field(() => Int, { description: "How many recovery codes have not been used." })
  recoveryCodesLeft!: number;
}

@ArgsType()
class ConfirmTotpArgs {
  @Field(() => String, { description: "The six digits that the authenticator app shows." })
  @IsText(1, 100)
  code!: string;
}

export interface MfaResolverDeps {
  authenticatorApp: AuthenticatorApp;
  passkeys: Passkeys;
  recoveryCodes: RecoveryCodes;
}

@Resolver()
export class MfaResolver {
  constructor(private readonly deps: MfaResolverDeps) {}

  @Auth("USER", { beforeEnrollment: true })
  @Query(() => MfaStatusType, {
    description: "The second factors of the signed-in user. Errors: `UNAUTHENTICATED`.",
  })
  async myMfa(@Ctx() context: Context): Promise<MfaStatusType> {
    const { mfaMethods, id } = signedIn(context).user;
    return {
      enabled: hasSecondFactor(mfaMethods),
      totp: mfaMethods.includes("TOTP"),
      passkeys: (await this.deps.passkeys.list(id)).length,
      recoveryCodesLeft: await this.deps.recoveryCodes.count(id),
    };
  }

  @Auth("USER", ENROLLING)
  @OncePerRequest()
  @Mutation(() => TotpEnrollmentType, {
    description:
      "Makes a secret for an authenticator app. Nothing changes before `confirmTotpEnrollment`. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `CONFLICT` (the user has an app: disable it first).",
  })
  async startTotpEnrollment(@Ctx() context: Context): Promise<TotpEnrollmentType> {
    return this.deps.authenticatorApp.start(actorOf(context));
  }

  @Auth("USER", ENROLLING)
  @OncePerRequest()
  @Mutation(() => [String], {
    description:
      "Makes the authenticator app a second factor. With the user's first factor it returns recovery codes, which are not shown again; otherwise an empty list. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `INVALID_CREDENTIALS` (the code is wrong), `NOT_FOUND` (no app is waiting to be confirmed), `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  @MaxItems(RECOVERY_CODES)
  @MaxBytes(RECOVERY_CODE_BYTES)
  async confirmTotpEnrollment(
    @Ctx() context: Context,
    @Args(() => ConfirmTotpArgs) { code }: ConfirmTotpArgs,
  ) {
    return this.deps.authenticatorApp.confirm(actorOf(context), code);
  }

  @Auth("USER", RECENTLY)
  @Mutation(() => Boolean, {
    description:
      "Removes the authenticator app, and with the last factor the recovery codes. Always returns true. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `RATE_LIMITED`.",
  })
  async disableTotp(@Ctx() context: Context) {
    await this.deps.authenticatorApp.remove(actorOf(context));
    return true;
  }

  @Auth("USER", RECENTLY)
  @OncePerRequest()
  @Mutation(() => [String], {
    description:
      "Replaces the recovery codes and returns the new ones, which are not shown again. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `NOT_FOUND` (the user has no second factor), `RATE_LIMITED`.",
  })
  @MaxItems(RECOVERY_CODES)
  @MaxBytes(RECOVERY_CODE_BYTES)
  async regenerateRecoveryCodes(@Ctx() context: Context) {
    return this.deps.recoveryCodes.regenerate(actorOf(context));
  }
}
