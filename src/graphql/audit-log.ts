import { IsDate, IsIn, IsOptional } from "class-validator";
import { GraphQLJSONObject } from "graphql-scalars";
import { Args, ArgsType, Field, ID, ObjectType, Query, Resolver, registerEnumType } from "type-graphql";
import type { AuditLog } from "../services/audit-log.js";
import {
  AUDIT_EVENT_TYPES,
  type AuditEvent,
  type AuditEventType,
  MAX_DETAILS_BYTES,
} from "../storage/audit.js";
import { Auth } from "./auth-checker.js";
import { connectionTypeOf, PageArgs, readPage } from "./connection.js";
import { IP_ADDRESS, MaxBytes, MaxText } from "./limits/max-size.js";
import { IsId } from "./validation.js";

const AUDIT_EVENT_TYPE_NAMES = Object.keys(AUDIT_EVENT_TYPES) as AuditEventType[];
const AuditEventTypeEnum = Object.fromEntries(AUDIT_EVENT_TYPE_NAMES.map((type) => [type, type])) as {
  [T in AuditEventType]: T;
};
registerEnumType(AuditEventTypeEnum, {
  name: "AuditEventType",
  description: "The type of an audit event. New types may be added.",
  valuesConfig: Object.fromEntries(
    Object.entries(AUDIT_EVENT_TYPES).map(([type, description]) => [type, { description }]),
  ),
});

@ObjectType("AuditEvent", { description: "An entry in the audit log: who did what to whom." })
class AuditEventObjectType {
  @Field(() => ID, { description: "Later events have greater ids." })
  id!: string;

  @Field(() => Date, { description: "When it happened." })
  at!: Date;

  @Field(() => AuditEventTypeEnum, { description: "What happened." })
  type!: AuditEventType;

  @Field(() => ID, {
    nullable: true,
    description:
      "The id of the user who did it, even if their account has been deleted since; null for the operator or an unknown caller.",
  })
  actorId!: string | null;

  @Field(() => ID, {
    nullable: true,
    description: "The id of the user it was done to, even if their account has been deleted since.",
  })
  subjectId!: string | null;

  @Field(() => ID, { nullable: true, description: "The id of the session that was started, used or ended." })
  sessionId!: string | null;

  @Field(() => String, { nullable: true, description: "The IP address of the caller." })
  @MaxText(IP_ADDRESS)
  ipAddress!: string | null;

  @Field(() => GraphQLJSONObject, {
    description: "What changed, such as the names of fields, or roles. Never contains a secret.",
  })
  @MaxBytes(MAX_DETAILS_BYTES)
  details!: Record<string, unknown>;
}

const AuditEventConnection = connectionTypeOf("AuditEvent", AuditEventObjectType);

@ArgsType()
class AuditEventsArgs extends PageArgs {
  @Field(() => ID, {
    nullable: true,
    description: "Only events that this user caused, or that affected them.",
  })
  @IsOptional()
  @IsId()
  userId?: string | null;

  @Field(() => AuditEventTypeEnum, { nullable: true, description: "Only events of this type." })
  @IsOptional()
  @IsIn(AUDIT_EVENT_TYPE_NAMES)
  type?: AuditEventType | null;

  @Field(() => Date, { nullable: true, description: "Only events at this time or later." })
  @IsOptional()
  @IsDate()
  since?: Date | null;
}

@Resolver()
export class AuditLogResolver {
  constructor(private readonly auditLog: AuditLog) {}

  @Auth("ADMIN")
  @Query(() => AuditEventConnection, {
    description:
      "The audit log, newest event first. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `BAD_USER_INPUT`.",
  })
  async auditEvents(@Args(() => AuditEventsArgs) args: AuditEventsArgs) {
    const filter = {
      userId: args.userId ?? undefined,
      type: args.type ?? undefined,
      since: args.since?.getTime(),
    };
    return readPage(args, (page) => this.auditLog.page(page, filter), toAuditEventObjectType);
  }
}

function toAuditEventObjectType(event: AuditEvent): AuditEventObjectType {
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
