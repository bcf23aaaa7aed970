import { createHash } from "node:crypto";
import type { FastifyReply } from "fastify";
import { escapeHtml } from "../email/escape-html.js";

const STYLE = `
:root { color-scheme: light dark; --muted: light-dark(#666, #aaa); --line: #8886; --link: light-dark(#1d4ed8, #8ab4ff) }
body { margin: 0 auto; padding: 2rem 1rem; max-width: 46rem; font: 16px/1.5 system-ui, sans-serif }
a { color: var(--link) }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
h2 { margin: 0; font-size: 1.15rem }
article, .card { margin: 1rem 0; padding: 1rem 1.25rem; border: 1px solid var(--line); border-radius: 8px }
.card { display: block; color: inherit; text-decoration: none }
.card h2 { color: var(--link) }
.card p { margin: 0 }
.card:hover { border-color: var(--link) }
.muted { margin: 0; color: var(--muted); font-size: .875rem }
.text { white-space: pre-wrap; overflow-wrap: anywhere }
code { padding: .1em .3em; border-radius: 4px; background: #8882; font: .875em ui-monospace, monospace }
.operation { padding-left: .75rem; border-left: 3px solid var(--line) }
.operation p, .operation pre { margin: .25rem 0 }
.operation code { display: block; padding: .5rem .75rem; white-space: pre-wrap; overflow-wrap: anywhere; user-select: all }
summary { cursor: pointer; color: var(--muted); font-size: .875rem }
iframe { width: 100%; height: 30rem; margin-top: .75rem; border: 0; border-radius: 6px; background: #fff; color-scheme: light }
`;

/** The style above, and no other. */
const OWN_STYLE = `'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`;

/**
 * Sends a page for developers. It runs no script and loads nothing.
 * @param page.body HTML
 * @param page.styles what the content security policy allows as styles
 */
export function sendPage(
  reply: FastifyReply,
  { title, body, styles = OWN_STYLE }: { title: string; body: string; styles?: string },
): FastifyReply {
  const policy = `default-src 'none'; style-src ${styles}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return reply
    .header("content-security-policy", policy)
    .type("text/html; charset=utf-8")
    .send(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`);
}
