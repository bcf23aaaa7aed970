import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { addMails } from "../../src/http/mails.js";
import { createServer } from "../../src/http/server.js";
import { PrintedMailer } from "../../src/mail/printed.js";
import { resetPassword } from "../../src/mail/templates.js";
import { Metrics } from "../../src/metrics.js";
import { FrozenClock, makeApp } from "../support/app.js";

const mail = (subject: string) => ({
  to: "alice@example.com",
  subject,
  text: "Text\n",
  html: "<p>HTML</p>\n",
});

describe("mails in development", () => {
  let clock: FrozenClock;
  let printed: string;
  let mailer: PrintedMailer;
  let server: FastifyInstance;
  let metrics: Metrics;
  let address: string;
  beforeEach(async () => {
    clock = new FrozenClock();
    printed = "";
    mailer = new PrintedMailer({
      clock,
      print: (text) => {
        printed += text;
      },
    });
    metrics = new Metrics();
    server = await createServer({
      logger: pino({ level: "silent" }),
      corsOrigins: [],
      trustedProxies: [],
      metrics,
    });
    await addMails(server, { mailer });
    address = await server.listen({ host: "127.0.0.1", port: 0 });
  });
  afterEach(async () => {
    await server.close();
    metrics.close();
  });

  async function load() {
    const response = await fetch(`${address}/mails`);
    return { body: await response.text(), headers: Object.fromEntries(response.headers) };
  }

  test("are printed, link and all", async () => {
    const letter = resetPassword({ appUrl: "http://localhost:3000", username: "alice", token: "t" });
    await mailer.send({ to: "alice@example.com", ...letter });
    expect(printed).toMatch(
      /^\nA mail to alice@example\.com: Set a new password\n\n {2}Hello alice,\n\n {2}You/,
    );
    expect(printed).toContain("\n  http://localhost:3000/reset-password?token=t\n");
  });

  test("the last 50 are on the page, newest first", async () => {
    expect((await load()).body).toContain("None yet.");
    for (let n = 0; n < 51; n++) {
      await mailer.send(mail(`Mail ${n}`));
      clock.advance(1000);
    }
    const { body, headers } = await load();
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(headers["cache-control"]).toBe("no-store");
    const subjects = [...body.matchAll(/<h2>(.*)<\/h2>/g)].map(([, subject]) => subject);
    expect(subjects).toEqual(Array.from({ length: 50 }, (_, n) => `Mail ${50 - n}`));
    expect(body).toContain('<time datetime="2026-01-01T00:00:50.000Z">');
  });

  test("links can be followed; nothing in a mail is more than text, and no script could run", async () => {
    await mailer.send({
      to: '"><script>alert(1)</script>@example.com',
      subject: "<script>alert(2)</script>",
      text: `<script>alert(3)</script> javascript:alert(4) https://app.example.com/?token=a&b="><script>alert(5)</script>\n`,
      html: `"></iframe><script>alert(6)</script><a href='x'>\n`,
    });
    const { body, headers } = await load();
    expect(body).not.toMatch(/<script|<\/iframe><[^/]|href="javascript/);
    expect(body).toContain(
      '<a href="https://app.example.com/?token=a&amp;b=&quot;&gt;&lt;script&gt;alert(5)',
    );
    expect(body).toContain('<iframe sandbox title="The mail as HTML" srcdoc="&quot;&gt;&lt;/iframe&gt;');
    expect(headers["content-security-policy"]).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });

  test.each([
    ["development", {}, 200],
    ["development, with a mail server", { SMTP_URL: "smtp://127.0.0.1:1" }, 404],
    ["production", { NODE_ENV: "production" }, 404],
  ])("in %s the page answers as it should", async (_where, env, status) => {
    const app = await makeApp({ env });
    expect((await app.request("/mails")).status).toBe(status);
    await app.close();
  });

  test("production without a mail server sends nothing, and keeps no mail", async () => {
    const app = await makeApp({ env: { NODE_ENV: "production" } });
    await expect(app.latchkey.mailer.send(mail("Secret"))).rejects.toThrow("SMTP_URL is not set");
    await app.close();
  });
});
