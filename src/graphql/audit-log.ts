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
  @MaxText(IP_ADDRESS)
  ipAddress!: string | null;

  @Field(() => GraphQLJSONObject, {
    description: "What changed, such as the names of the fields, or the roles. Never a secret.",
  })
  @MaxBytes(MAX_DETAILS_BYTES)
  details!: Record<string, unknown>;
}

const AuditEventConnection = connectionTypeOf("AuditEvent", AuditEventObject);

@ArgsType()
class AuditEventsArgs extends PageArgs {
  @Field(() => ID, { nullable: true, description: "Only what this user did, or what was done to them." })
  @IsOptional()
  @IsId()
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

@Resolver()
export class AuditLogResolver {
  readonly #auditLog: AuditLog;

  constructor(auditLog: AuditLog) {
    this.#auditLog = auditLog;
  }

  @Auth("ADMIN")
  @Query(() => AuditEventConnection, {
    description: "What happened, newest first. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `BAD_USER_INPUT`.",
  })
  async auditEvents(@Args(() => AuditEventsArgs) args: AuditEventsArgs) {
    const filter = {
      userId: args.userId ?? undefined,
      type: args.type ?? undefined,
      since: args.since?.getTime(),
    };
    return readPage(args, (page) => this.#auditLog.page(page, filter), toAuditEventObject);
  }
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
