import type { FastifyInstance } from "fastify";
import { escapeHtml } from "../../email/escape-html.js";
import type { PrintedEmail, PrintedMailer } from "../../email/printed.js";
import type { TokenPath } from "../../email/templates.js";
import { isOwnHost } from "../own-host.js";
import { sendPage } from "../page.js";

/** The mutation that the app's page at each link sends, with an empty password for the user to fill in. */
const MUTATIONS: Record<TokenPath, (token: string) => string> = {
  "/verify-email": (token) => `verifyEmail(token: ${token})`,
  "/reset-password": (token) => `resetPassword(\n    token: ${token}\n    newPassword: ""\n  )`,
  "/accept-invitation": (token) => `acceptInvitation(\n    token: ${token}\n    password: ""\n  )`,
  "/confirm-email-change": (token) => `confirmEmailChange(token: ${token})`,
};

/** For development: a page with the emails that were printed instead of sent. */
export async function addEmails(
  server: FastifyInstance,
  { mailer, publicUrl }: { mailer: PrintedMailer; publicUrl: string },
): Promise<void> {
  server.get("/emails", { config: { cors: false } }, async ({ headers }, reply) => {
    // A foreign page could read this one by DNS rebinding.
    if (!isOwnHost(headers.host, publicUrl)) {
      return reply.code(421).send({ error: "Open this page at localhost, or at PUBLIC_URL." });
    }
    const body = bodyOf(mailer.emails, { hasExplorer: server.hasRoute({ method: "GET", url: "/explorer" }) });
    // Frames inherit the policy, and emails carry their styles in attributes.
    return sendPage(reply, { title: "Emails - Latchkey", body, styles: "'unsafe-inline'" });
  });
}

function bodyOf(emails: readonly PrintedEmail[], options: { hasExplorer: boolean }): string {
  const none = "<p>No emails yet. Register or request a password reset, then reload this page.</p>";
  return `<p class="muted"><a href=".">Latchkey</a></p>
<h1>Emails</h1>
<p>SMTP_URL is not set, so emails are printed instead of sent. The latest 50 are kept until the
server stops, by each worker of its own.</p>
${emails.length === 0 ? none : emails.map((email) => article(email, options)).join("\n")}`;
}

function article({ at, to, subject, text, html }: PrintedEmail, options: { hasExplorer: boolean }): string {
  const time = new Date(at).toISOString();
  return `<article>
<h2>${escapeHtml(subject)}</h2>
<p class="muted">to ${escapeHtml(to)} · <time datetime="${time}">${time}</time></p>
${text
  .trimEnd()
  .split("\n\n")
  .map((part) => paragraph(part, options))
  .join("\n")}
<details><summary>as HTML</summary><iframe sandbox title="The email as HTML" srcdoc="${escapeHtml(html)}"></iframe></details>
</article>`;
}

/** A paragraph of an email, with what its links are for. */
function paragraph(text: string, options: { hasExplorer: boolean }): string {
  // Splitting at a capture group makes every second part a link.
  const parts = text.split(/(https?:\/\/\S+)/);
  const linked = parts.map((part, n) =>
    n % 2 === 1 ? `<a href="${escapeHtml(part)}">${escapeHtml(part)}</a>` : escapeHtml(part),
  );
  const operations = parts.filter((_, n) => n % 2 === 1).map((link) => operationFor(link, options));
  return `<p class="text">${linked.join("")}</p>${operations.join("")}`;
}

/** The mutation that takes the token of a link, to copy, and to run in the explorer; nothing for other links. */
function operationFor(link: string, { hasExplorer }: { hasExplorer: boolean }): string {
  const url = URL.parse(link);
  const token = url?.searchParams.get("token");
  const mutation = Object.entries(MUTATIONS).find(([path]) => url?.pathname.endsWith(path))?.[1];
  if (mutation === undefined || !token) return "";
  const operation = `mutation {\n  ${mutation(JSON.stringify(token))}\n}`;
  const run = `<a href="explorer?query=${encodeURIComponent(operation)}">Open it in the explorer</a>`;
  const fill = operation.includes('""') ? "<p>Fill in the password.</p>" : "";
  return `
<div class="operation">
<p>The mutation that takes the token:</p>
<pre><code>${escapeHtml(operation)}</code></pre>
${fill}${hasExplorer ? `<p>${run}</p>` : ""}
</div>`;
}
