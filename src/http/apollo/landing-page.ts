const CDN = "https://embeddable-sandbox.cdn.apollographql.com";
const ASSETS = "https://apollo-server-landing-page.cdn.apollographql.com";

/**
 * The content security policy for Apollo's landing page. It allows the scripts and styles with the page's nonce, Apollo
 * Sandbox in a frame, and requests to this origin, which the page sends on behalf of that frame.
 */
export function landingPagePolicy(html: string): string {
  const nonce = /nonce="([0-9a-f]{64})"/.exec(html)?.[1] ?? "";
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}' ${CDN}`,
    `style-src 'nonce-${nonce}' ${CDN} https://fonts.googleapis.com`,
    "font-src https://fonts.gstatic.com",
    `img-src ${ASSETS}`,
    `manifest-src ${ASSETS}`,
    "frame-src https://sandbox.embed.apollographql.com",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join(";");
}

/** Adds a link to the explorer, for when Apollo Sandbox cannot be loaded. */
export function linkExplorer(html: string): string {
  return (
    html
      .replace(
        "it appears that you might be offline.</p>",
        '$&\n  <p><a href="explorer">Open Latchkey\'s explorer</a>, which works offline.</p>',
      )
      // Otherwise the place of Apollo Sandbox lies over the link.
      .replace("#embeddableSandbox {", "#embeddableSandbox:empty { pointer-events: none; }\n  $&")
  );
}
