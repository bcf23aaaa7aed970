import { Field, Int, ObjectType, Query, Resolver, registerEnumType } from "type-graphql";
import type { Settings } from "../services/settings.js";
import { MFA_METHODS } from "../storage/users.js";
import { MaxItems } from "./limits/max-size.js";
import { MfaMethodEnum } from "./sign-in.js";

const MfaRequirementEnum: Record<string, Settings["mfaRequiredFor"]> = {
  NONE: "none",
  ADMINS: "admins",
  ALL: "all",
};
registerEnumType(MfaRequirementEnum, {
  name: "MfaRequirement",
  description: "Who must have a second factor.",
  valuesConfig: {
    NONE: { description: "Nobody." },
    ADMINS: { description: "Users with the role `ADMIN`." },
    ALL: { description: "All users." },
  },
});

@ObjectType("Settings", { description: "What sign-in and sign-up forms need to know about this server." })
class SettingsType implements Settings {
  @Field(() => Boolean, { description: "Whether anyone can use `register`." })
  registrationOpen!: boolean;

  @Field(() => Int, {
    description: "The minimum length of a new password, in characters (Unicode code points).",
  })
  passwordMinLength!: number;

  @Field(() => Int, { description: "The maximum length of a new password, in bytes of UTF-8." })
  passwordMaxBytes!: number;

  @Field(() => [MfaMethodEnum], {
    description:
      "The second factors that users can have. With `PASSKEY` they can also sign in without a password.",
  })
  @MaxItems(MFA_METHODS.length)
  mfaMethods!: Settings["mfaMethods"];

  @Field(() => MfaRequirementEnum, { description: "Who must have a second factor." })
  mfaRequiredFor!: Settings["mfaRequiredFor"];

  @Field(() => Boolean, {
    description:
      "Whether the server can send emails. If not, nobody can reset a forgotten password, change their email address or be invited.",
  })
  sendsEmail!: boolean;
}

@Resolver()
export class SettingsResolver {
  constructor(private readonly value: Settings) {}

  @Query(() => SettingsType, {
    description:
      "What sign-in and sign-up forms need to know about this server. It has no errors of its own.",
  })
  settings(): Settings {
    return this.value;
  }
}
