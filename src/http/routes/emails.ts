import type { FastifyInstance } from "fastify";
import { escapeHtml } from "../../email/escape-html.js";
import type { PrintedEmail, PrintedMailer } from "../../email/printed.js";
import { isOwnHost } from "../own-host.js";

// Frames inherit the policy, and emails carry their styles in attributes.
const CONTENT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE = `
:root { color-scheme: light dark }
body { margin: 0 auto; padding: 2rem 1rem; max-width: 46rem; font: 16px/1.5 system-ui, sans-serif }
article { margin: 1.5rem 0; padding: 1rem 1.25rem; border: 1px solid #8886; border-radius: 8px }
h2 { margin: 0; font-size: 1.15rem }
.head { margin: 0; color: #777; font-size: .875rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit }
summary { cursor: pointer; color: #777; font-size: .875rem }
iframe { width: 100%; height: 30rem; margin-top: .75rem; border: 0; border-radius: 6px; background: #fff; color-scheme: light }
`;

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
    return reply
      .header("content-security-policy", CONTENT_POLICY)
      .type("text/html; charset=utf-8")
      .send(page(mailer.emails));
  });
}

function page(emails: readonly PrintedEmail[]): string {
  const none = "<p>No emails yet. Register or request a password reset, then reload this page.</p>";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Emails - Latchkey</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Emails</h1>
<p>SMTP_URL is not set, so emails are printed instead of sent. The latest 50 are kept until the server stops.</p>
${emails.length === 0 ? none : emails.map(article).join("\n")}
</body>
</html>
`;
}

function article({ at, to, subject, text, html }: PrintedEmail): string {
  const time = new Date(at).toISOString();
  return `<article>
<h2>${escapeHtml(subject)}</h2>
<p class="head">to ${escapeHtml(to)} · <time datetime="${time}">${time}</time></p>
<pre>${withLinks(text)}</pre>
<details><summary>as HTML</summary><iframe sandbox title="The email as HTML" srcdoc="${escapeHtml(html)}"></iframe></details>
</article>`;
}

function withLinks(text: string): string {
  // Splitting at a capture group makes every second part a link.
  const parts = text.split(/(https?:\/\/\S+)/);
  return parts
    .map((part, n) =>
      n % 2 === 1 ? `<a href="${escapeHtml(part)}">${escapeHtml(part)}</a>` : escapeHtml(part),
    )
    .join("");
}
