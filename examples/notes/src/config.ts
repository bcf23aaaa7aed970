// `npm run example` and the build of an app set these.
const { VITE_LATCHKEY_URL, VITE_NOTES_URL, VITE_EMAILS_URL } = import.meta.env as Record<
  string,
  string | undefined
>;

/** Latchkey's GraphQL endpoint. */
export const LATCHKEY_URL = VITE_LATCHKEY_URL ?? "http://localhost:4000/graphql";

/** The GraphQL endpoint of this app's own service. */
export const NOTES_URL = VITE_NOTES_URL ?? "http://localhost:4001/graphql";

/** Where emails are shown in development; undefined when they are sent. */
export const EMAILS_URL = VITE_EMAILS_URL;
