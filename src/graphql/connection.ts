import { IsOptional, isUUID, Max, Min, ValidateBy } from "class-validator";
import { ArgsType, type ClassType, Field, Int, ObjectType } from "type-graphql";
import { MaxItems, MaxText } from "./limits/max-size.js";

/** The most objects that one page has. */
export const MAX_PAGE = 100;

/** A UUID in base64url. */
const CURSOR = [48, 48] as const;

/** Relay's cursor connections (https://relay.dev/graphql/connections.htm), forwards only. */
@ObjectType("PageInfo", { description: "The position of a page in the list." })
class PageInfoType {
  @Field(() => Boolean, { description: "Whether there is a next page." })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: "Whether there is a previous page." })
  hasPreviousPage!: boolean;

  @Field(() => String, {
    nullable: true,
    description: "The cursor of the first edge; null on an empty page.",
  })
  @MaxText(CURSOR)
  startCursor!: string | null;

  @Field(() => String, {
    nullable: true,
    description: "The cursor of the last edge: the `after` of the next page. Null on an empty page.",
  })
  @MaxText(CURSOR)
  endCursor!: string | null;
}

@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    defaultValue: 50,
    description: `The maximum number of objects to return, 1 to ${MAX_PAGE}.`,
  })
  @Min(1)
  @Max(MAX_PAGE)
  first!: number;

  @Field(() => String, { nullable: true, description: "The `endCursor` of the previous page." })
  @IsOptional()
  @IsCursor()
  after?: string | null;
}

interface Connection<Node> {
  edges: { cursor: string; node: Node }[];
  nodes: Node[];
  pageInfo: PageInfoType;
}

/** The object types of a connection: `UserConnection` and `UserEdge` for `User`. */
export function connectionTypeOf<Node extends object>(
  name: string,
  NodeType: ClassType<Node>,
): ClassType<Connection<Node>> {
  @ObjectType(`${name}Edge`, { description: `An object of type ${name} on a page, with its cursor.` })
  class EdgeType {
    @Field(() => String, { description: "The cursor of the object, for `after`. It is opaque." })
    @MaxText(CURSOR)
    cursor!: string;

    @Field(() => NodeType, { description: "The object." })
    node!: Node;
  }

  @ObjectType(`${name}Connection`, { description: `A page of type ${name}.` })
  class ConnectionType {
    @Field(() => [EdgeType], { description: "The objects on the page, with their cursors." })
    @MaxItems("page")
    edges!: EdgeType[];

    @Field(() => [NodeType], { description: "The objects on the page." })
    @MaxItems("page")
    nodes!: Node[];

    @Field(() => PageInfoType, { description: "The position of the page in the list." })
    pageInfo!: PageInfoType;
  }

  return ConnectionType;
}

/**
 * Reads the requested page.
 * @param read returns up to `first` records after the id `after`
 */
export async function readPage<Rec extends { id: string }, Node>(
  { first, after }: PageArgs,
  read: (page: { first: number; after: string | undefined }) => Promise<Rec[]>,
  toNode: (record: Rec) => Node,
): Promise<Connection<Node>> {
  const previous = after == null ? undefined : idOf(after);
  // One more than requested, to know whether there is a next page.
  const records = await read({ first: first + 1, after: previous });
  const edges = records.slice(0, first).map((record) => ({
    cursor: cursorOf(record.id),
    node: toNode(record),
  }));
  return {
    edges,
    nodes: edges.map(({ node }) => node),
    pageInfo: {
      hasNextPage: records.length > first,
      hasPreviousPage: previous !== undefined,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

function cursorOf(id: string): string {
  return Buffer.from(id).toString("base64url");
}

function idOf(cursor: string): string {
  return Buffer.from(cursor, "base64url").toString();
}

function IsCursor(): PropertyDecorator {
  return ValidateBy({
    name: "cursor",
    validator: {
      validate: (value: unknown) =>
        typeof value === "string" && isUUID(idOf(value)) && cursorOf(idOf(value)) === value,
      defaultMessage: (args) => `${args?.property} must be the endCursor of a page`,
    },
  });
}
