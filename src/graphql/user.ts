import { GraphQLEmailAddress } from "graphql-scalars";
import { Field, ID, ObjectType, registerEnumType } from "type-graphql";
import { FULL_NAME_LENGTH, MAX_LOGIN_LENGTH, USERNAME_LENGTH } from "../services/identifiers.js";
import { ROLES, type Role, type User } from "../storage/users.js";
import { MaxItems, MaxText } from "./limits/max-size.js";

/** A username is ASCII: it has as many bytes as characters. */
export const USERNAME = [...USERNAME_LENGTH, USERNAME_LENGTH[1]] as const;
export const FULL_NAME = FULL_NAME_LENGTH;
/** What names an account: a username or an email address, as typed. */
export const LOGIN = [1, MAX_LOGIN_LENGTH] as const;

export const RoleEnum = Object.fromEntries(ROLES.map((role) => [role, role])) as { [R in Role]: R };
registerEnumType(RoleEnum, {
  name: "Role",
  description: "What a user may do.",
  valuesConfig: {
    USER: { description: "Use the API for oneself. Every user has this role." },
    ADMIN: { description: "Administer all users." },
  },
});

@ObjectType("User", { description: "A person with an account." })
export class UserType {
  @Field(() => ID, { description: "Stays the same for as long as the account exists." })
  id!: string;

  @Field(() => String, { description: "The name to log in with, in lower case." })
  @MaxText(USERNAME)
  username!: string;

  @Field(() => GraphQLEmailAddress, { description: "The email address, which one can log in with too." })
  email!: string;

  @Field(() => Boolean, { description: "Whether the email address is known to be the user's." })
  emailVerified!: boolean;

  @Field(() => String, { nullable: true, description: "The name to show to people." })
  @MaxText(FULL_NAME)
  fullName!: string | null;

  @Field(() => Boolean, { description: "Whether the account is shut: a disabled user cannot log in." })
  disabled!: boolean;

  @Field(() => [RoleEnum], { description: "What the user may do." })
  @MaxItems(ROLES.length)
  roles!: Role[];

  @Field(() => Date, { description: "When the account was made." })
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
    roles: user.roles,
    createdAt: new Date(user.createdAt),
  };
}
