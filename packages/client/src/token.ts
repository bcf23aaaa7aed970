import type { TokensFragment } from "./operations.js";

/** The tokens of a session. `refreshToken` is null when it is kept in a cookie, and after a reauthentication. */
export type Token = TokensFragment;

/** The user of a session. */
export type SessionUser = TokensFragment["user"];
