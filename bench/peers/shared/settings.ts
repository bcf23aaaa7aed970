function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

/** Where the peer listens, on 127.0.0.1. */
export const PORT = Number(required("PORT"));
/** The peer's SQLite file. */
export const DATABASE_FILE = required("DATABASE_FILE");
/** The secret that access tokens are signed with. */
export const SECRET = required("SECRET");
