import { IsDate, IsIn, IsOptional, IsUUID, ValidateIf, ValidateNested } from "class-validator";
import { GraphQLJSONObject } from "graphql-scalars";
import {
  Args,
  ArgsType,
  Ctx,
  Field,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  registerEnumType,
} from "type-graphql";
import { invalidInput, LatchkeyError, type Violation } from "../errors.js";
import type { Accounts, Actor } from "../services/accounts.js";
import type { AuditLog } from "../services/audit-log.js";
import { AUDIT_EVENT_TYPES, type AuditEvent, type AuditEventType } from "../storage/audit.js";
import { ROLES, type Role } from "../storage/users.js";
import { Auth } from "./auth-checker.js";
import { connectionTypeOf, PageArgs, readPage } from "./connection.js";
import { type Context, signedIn } from "./context.js";
import { RoleEnum, toUserType, UserType } from "./user.js";
import { IsText } from "./validation.js";

const AUDIT_EVENT_TYPE_NAMES = Object.keys(AUDIT_EVENT_TYPES) as AuditEventType[];
const AuditEventTypeEnum = Object.fromEntries(AUDIT_EVENT_TYPE_NAMES.map((type) => [type, type])) as {
  [T in AuditEventType]: T;
};
registerEnumType(AuditEventTypeEnum, {
  name: "AuditEventType",
  description: "What an audit event is about. The list grows.",
  valuesConfig: Object.fromEntries(
    Object.entries(AUDIT_EVENT_TYPES).map(([type, description]) => [type, { description }]),
  ),
});

@ObjectType("AuditEvent", { description: "Something that happened: who did what to whom." })
class AuditEventObject {
  @Field(() => ID, { description: "Later events have greater ids." })
  id!: string;

  @Field(() => Date, { description: "When it happened." })
  at!: Date;

  @Field(() => AuditEventTypeEnum, { description: "What happened." })
  type!: AuditEventType;

  @Field(() => ID, {
    nullable: true,
    description: "The user who did it, who may be gone by now; null for an operator or nobody known.",
  })
  actorId!: string | null;

  @Field(() => ID, { nullable: true, description: "The user it was done to, who may be gone by now." })
  subjectId!: string | null;

  @Field(() => ID, { nullable: true, description: "The session it was done in, or done to." })
  sessionId!: string | null;

  @Field(() => String, { nullable: true, description: "The IP address it came from." })
  ipAddress!: string | null;

  @Field(() => GraphQLJSONObject, {
    description: "What changed, such as the names of the fields, or the roles. Never a secret.",
  })
  details!: Record<string, unknown>;
}

const UserConnection = connectionTypeOf("User", UserType);
const AuditEventConnection = connectionTypeOf("AuditEvent", AuditEventObject);

@ArgsType()
class UsersArgs extends PageArgs {
  @Field(() => String, {
    nullable: true,
    description: "Only those with this in their username, e-mail address or full name, in any case.",
  })
  @IsOptional()
  @IsText(1, 320)
  search?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: "Only those who are disabled, or only those who are not.",
  })
  @IsOptional()
  @IsIn([true, false])
  disabled?: boolean | null;
}

@ArgsType()
class AuditEventsArgs extends PageArgs {
  @Field(() => ID, { nullable: true, description: "Only what this user did, or what was done to them." })
  @IsOptional()
  @IsUUID()
  userId?: string | null;

  @Field(() => AuditEventTypeEnum, { nullable: true, description: "Only events of this type." })
  @IsOptional()
  @IsIn(AUDIT_EVENT_TYPE_NAMES)
  type?: AuditEventType | null;

  @Field(() => Date, { nullable: true, description: "Only what happened then or later." })
  @IsOptional()
  @IsDate()
  since?: Date | null;
}

@ArgsType()
class UserArgs {
  @Field(() => ID, { description: "Which user." })
  @IsUUID()
  id!: string;
}

const USERNAME_RULE = "3 to 32 characters from a-z, 0-9, dot, underscore and hyphen; case does not count";

@InputType({ description: "An account to make." })
class CreateUserInput {
  @Field(() => String, { description: `The name to log in with, ${USERNAME_RULE}.` })
  @IsText(1, 100)
  username!: string;

  @Field(() => String, { description: "The e-mail address, to which an invitation is sent." })
  @IsText(1, 320)
  email!: string;

  @Field(() => String, { nullable: true, description: "The name to show to people." })
  @IsOptional()
  @IsText(1, 200)
  fullName?: string | null;

  @Field(() => [RoleEnum], {
    nullable: true,
    description: "What the user may do; `USER` is always among it.",
  })
  @IsOptional()
  @IsIn(ROLES, { each: true })
  roles?: Role[] | null;
}

@InputType({ description: "What to change of an account. What is left out stays as it is." })
class UpdateUserInput {
  @Field(() => String, {
    nullable: true,
    description: `The name to log in with, ${USERNAME_RULE}; not null.`,
  })
  @ValidateIf((_, username) => username !== undefined)
  @IsText(1, 100)
  username?: string;

  @Field(() => String, {
    nullable: true,
    description: "Another e-mail address, which you know to be the user's: it counts as verified; not null.",
  })
  @ValidateIf((_, email) => email !== undefined)
  @IsText(1, 320)
  email?: string;

  @Field(() => String, { nullable: true, description: "The name to show to people; null removes it." })
  @IsOptional()
  @IsText(1, 200)
  fullName?: string | null;
}

@ArgsType()
class CreateUserArgs {
  @Field(() => CreateUserInput, { description: "The account to make." })
  @ValidateNested()
  input!: CreateUserInput;
}

@ArgsType()
class UpdateUserArgs extends UserArgs {
  @Field(() => UpdateUserInput, { description: "What to change." })
  @ValidateNested()
  input!: UpdateUserInput;
}

@ArgsType()
class SetUserRolesArgs extends UserArgs {
  @Field(() => [RoleEnum], { description: "What the user may do from now on; `USER` is always kept." })
  @IsIn(ROLES, { each: true })
  roles!: Role[];
}

@Resolver()
export class AdminResolver {
  readonly #accounts: Accounts;
  readonly #auditLog: AuditLog;

  constructor(deps: { accounts: Accounts; auditLog: AuditLog }) {
    this.#accounts = deps.accounts;
    this.#auditLog = deps.auditLog;
  }

  @Auth("ADMIN")
  @Query(() => UserConnection, {
    description: "All users, oldest first. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `BAD_USER_INPUT`.",
  })
  async users(@Args(() => UsersArgs) args: UsersArgs) {
    const filter = { search: args.search ?? undefined, disabled: args.disabled ?? undefined };
    return readPage(args, (page) => this.#accounts.page(page, filter), toUserType);
  }

  @Auth("ADMIN")
  @Query(() => UserType, {
    description: "A user. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async user(@Args(() => UserArgs) { id }: UserArgs) {
    return toUserType(await this.#accounts.get(id));
  }

  @Auth("ADMIN")
  @Query(() => AuditEventConnection, {
    description: "What happened, newest first. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `BAD_USER_INPUT`.",
  })
  async auditEvents(@Args(() => AuditEventsArgs) args: AuditEventsArgs) {
    const filter = {
      userId: args.userId?.toLowerCase(),
      type: args.type ?? undefined,
      since: args.since?.getTime(),
    };
    return readPage(args, (page) => this.#auditLog.page(page, filter), toAuditEventObject);
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Makes an account without a password, and sends an invitation to set one. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `CONFLICT` (the username or the address is in use), `BAD_USER_INPUT`.",
  })
  async createUser(@Ctx() context: Context, @Args(() => CreateUserArgs) { input }: CreateUserArgs) {
    const { username, email, fullName = null, roles } = input;
    const account = { username, email, fullName, roles: roles ?? undefined };
    return toUserType(await ofInput(this.#accounts.invite(account, actorOf(context))));
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Changes an account; its sessions stay. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `NOT_FOUND`, `CONFLICT` (the username or the address is in use), `BAD_USER_INPUT`.",
  })
  async updateUser(@Ctx() context: Context, @Args(() => UpdateUserArgs) { id, input }: UpdateUserArgs) {
    const { username, email, fullName } = input;
    const changes = { username, email, fullName };
    return toUserType(await ofInput(this.#accounts.update(id, changes, actorOf(context))));
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Refuses a user from now on, and ends their sessions. Errors: `UNAUTHENTICATED`, `FORBIDDEN` (also for the last administrator), `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async disableUser(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    return toUserType(await this.#accounts.disable(id, actorOf(context)));
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Lets a disabled user in again. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async enableUser(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    return toUserType(await this.#accounts.enable(id, actorOf(context)));
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Sets what a user may do, which is felt at once. Errors: `UNAUTHENTICATED`, `FORBIDDEN` (also for the last administrator), `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async setUserRoles(@Ctx() context: Context, @Args(() => SetUserRolesArgs) { id, roles }: SetUserRolesArgs) {
    return toUserType(await this.#accounts.setRoles(id, roles, actorOf(context)));
  }

  @Auth("ADMIN")
  @Mutation(() => Boolean, {
    description:
      "Removes an account with its items, sessions and tokens, and answers true. Errors: `UNAUTHENTICATED`, `FORBIDDEN` (also for the last administrator), `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async deleteUser(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    await this.#accounts.delete(id, actorOf(context));
    return true;
  }

  @Auth("ADMIN")
  @Mutation(() => Int, {
    description:
      "Ends all sessions of a user, and answers how many. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async revokeUserSessions(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    return this.#accounts.revokeSessions(id, actorOf(context));
  }
}

function actorOf(context: Context): Actor {
  return { id: signedIn(context).user.id, client: context.client };
}

/** What a service says of a field, said of the field of `input`. */
async function ofInput<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    if (!(error instanceof LatchkeyError)) throw error;
    const { field, violations } = error.details as { field?: string; violations?: Violation[] };
    if (error.code === "BAD_USER_INPUT" && violations !== undefined) {
      throw invalidInput(
        violations.map((violation) => ({ ...violation, field: `input.${violation.field}` })),
      );
    }
    if (error.code === "CONFLICT") {
      throw new LatchkeyError("CONFLICT", error.message, { field: `input.${field}` });
    }
    throw error;
  });
}

function toAuditEventObject(event: AuditEvent): AuditEventObject {
  return {
    id: event.id,
    at: new Date(event.at),
    type: event.type,
    actorId: event.actorId,
    subjectId: event.subjectId,
    sessionId: event.sessionId,
    ipAddress: event.ipAddress,
    details: event.details,
  };
}
