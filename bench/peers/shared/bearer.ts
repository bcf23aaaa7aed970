import { jwtVerify } from "jose";
import { type UserRow, userOfSession } from "./database.ts";
import { SECRET } from "./settings.ts";

/** What a resolver knows of the request. */
export interface Context {
  user: UserRow | undefined;
}

const secret = new TextEncoder().encode(SECRET);

/** The user of an `Authorization: Bearer` header: the signature is verified, session and user are read. */
export async function contextOf(authorization: string | null | undefined): Promise<Context> {
  if (!authorization?.startsWith("Bearer ")) return { user: undefined };
  try {
    const { payload } = await jwtVerify(authorization.slice("Bearer ".length), secret, {
      algorithms: ["HS256"],
    });
    return { user: await userOfSession(String(payload["sid"]), Date.now()).executeTakeFirst() };
  } catch {
    return { user: undefined };
  }
}
