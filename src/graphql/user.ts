import { GraphQLEmailAddress } from "graphql-scalars";
import { Field, ID, ObjectType, registerEnumType } from "type-graphql";
import { FULL_NAME_LENGTH, MAX_LOGIN_LENGTH, USERNAME_LENGTH } from "../services/identifiers.js";
import { hasSecondFactor } from "../services/sessions/recent-authentication.js";
import { ROLES, type Role, type User } from "../storage/users.js";
import { MaxItems, MaxText } from "./limits/max-size.js";

/** The limits of names in answers. A username is ASCII: it has as many bytes as characters. */
export const USERNAME = [...USERNAME_LENGTH, USERNAME_LENGTH[1]] as const;
export const FULL_NAME = FULL_NAME_LENGTH;
/** What names an account, as typed: a username or an email address. */
export const LOGIN = [1, MAX_LOGIN_LENGTH] as const;
/** The limits of arguments: a service checks them more closely after it has normalized them. */
export const USERNAME_ARGUMENT = [1, 100] as const;

/** For descriptions. */
export const USERNAME_RULE =
  "3 to 32 characters from a-z, 0-9, dot, underscore and hyphen; upper case is accepted and stored as lower case";

export const RoleEnum = Object.fromEntries(ROLES.map((role) => [role, role])) as { [R in Role]: R };
registerEnumType(RoleEnum, {
  name: "Role",
  description: "What a user is allowed to do.",
  valuesConfig: {
    USER: { description: "Manage their own account and items. Every user has this role." },
    ADMIN: { description: "Manage all users and read the audit log." },
  },
});

@ObjectType("User", { description: "A person with an account." })
export class UserType {
  @Field(() => ID, { description: "Never changes." })
  id!: string;

  @Field(() => String, { description: "The name to sign in with, in lower case." })
  @MaxText(USERNAME)
  username!: string;

  @Field(() => GraphQLEmailAddress, {
    description: "The email address. Once it is verified, the user can sign in with it too.",
  })
  email!: string;

  @Field(() => Boolean, { description: "Whether the email address has been verified." })
  emailVerified!: boolean;

  @Field(() => String, { nullable: true, description: "The display name." })
  @MaxText(FULL_NAME)
  fullName!: string | null;

  @Field(() => Boolean, { description: "Whether the account is disabled: its user cannot sign in." })
  disabled!: boolean;

  @Field(() => Boolean, { description: "Whether signing in with the password requires a second factor." })
  mfaEnabled!: boolean;

  @Field(() => [RoleEnum], { description: "The user's roles; `USER` is always included." })
  @MaxItems(ROLES.length)
  roles!: Role[];

  @Field(() => Date, { description: "When the account was created." })
  createdAt!: Date;
}

export function toUserType(user: User): UserType {
  return {
    id: user.id,
    username: user.username,
    email: user.email,
    emailVerified: user.emailVerifiedAt !== null,
    fullName: user.fullName,
    disabled: user.disabledAt !== null,
    mfaEnabled: hasSecondFactor(user.mfaMethods),
    roles: user.roles,
    createdAt: new Date(user.createdAt),
  };
}
