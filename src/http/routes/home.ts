import type { FastifyInstance } from "fastify";
import { sendPage } from "../page.js";

/** Where a developer may want to go. */
const LINKS = [
  {
    path: "/explorer",
    title: "Explorer",
    about: "Sign in, run operations, and read about every field. Works without the internet.",
  },
  {
    path: "/graphql",
    title: "Apollo Sandbox",
    about: "Apollo's explorer. Needs the internet.",
  },
  {
    path: "/emails",
    title: "Emails",
    about: "What the server would have sent, and the mutation that takes the token of each link.",
  },
  {
    path: "/schema.graphql",
    title: "Schema",
    about: "The whole API with its documentation, for code generators and other tools.",
  },
];

/** For development: a page at `/` that leads to the others which this server has. */
export async function addHome(
  server: FastifyInstance,
  { apolloSandbox }: { apolloSandbox: boolean },
): Promise<void> {
  server.get("/", { config: { cors: false } }, async (_request, reply) => {
    const links = LINKS.filter(
      ({ path }) => server.hasRoute({ method: "GET", url: path }) && (path !== "/graphql" || apolloSandbox),
    );
    return sendPage(reply, { title: "Latchkey", body: body(links) });
  });
}

function body(links: typeof LINKS): string {
  const cards = links.map(
    ({ path, title, about }) =>
      `<a class="card" href="${path.slice(1)}"><h2>${title}</h2><p>${about}</p><p class="muted">${path}</p></a>`,
  );
  return `<h1>Latchkey</h1>
<p>A GraphQL API for authentication, running for development. Clients send operations to <code>/graphql</code> with
<code>POST</code>. On an empty database, the terminal shows an account to sign in with.</p>
<nav>
${cards.join("\n")}
</nav>`;
}
