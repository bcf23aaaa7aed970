import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import fastify from "fastify";
import { PrintedMailer } from "../../../src/email/printed.js";
import { resetPassword } from "../../../src/email/templates.js";
import { addEmails } from "../../../src/http/routes/emails.js";
import { CREATE_USER } from "../../support/administration-operations.js";
import { violationOf } from "../../support/answers.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../../support/app.js";
import { closingAfterEach } from "../../support/closing.js";
import { REGISTER, REQUEST_EMAIL_CHANGE, REQUEST_PASSWORD_RESET } from "../../support/operations.js";
import { raw } from "../../support/raw.js";
import { makeUser } from "../../support/users.js";

const start = closingAfterEach();
const message = (subject: string) => ({
  to: "alice@example.com",
  subject,
  text: "Text\n",
  html: "<p>HTML</p>\n",
});

describe("emails in development", () => {
  let app: App;
  let mailer: PrintedMailer;
  beforeEach(async () => {
    app = await makeApp();
    mailer = app.latchkey.mailer as PrintedMailer;
  });
  afterEach(() => app.close());

  async function load() {
    const { text, headers } = await app.request("/emails");
    return { body: text, headers: Object.fromEntries(headers) };
  }

  test("are printed in full, with their links", async () => {
    let printed = "";
    const printing = new PrintedMailer({
      clock: app.clock,
      print: (text) => {
        printed += text;
      },
    });
    const content = resetPassword({ appUrl: "http://localhost:3000", username: "alice", token: "t" });
    await printing.send({ to: "alice@example.com", ...content });
    expect(printed).toMatch(
      /^\nAn email to alice@example\.com: Set a new password\n\n {2}Hello alice,\n\n {2}Use/,
    );
    expect(printed).toContain("\n  http://localhost:3000/reset-password?token=t\n");
  });

  test("the last 50 are on the page, newest first", async () => {
    expect((await load()).body).toContain("No emails yet.");
    for (let n = 0; n < 51; n++) {
      await mailer.send(message(`Email ${n}`));
      app.clock.advance(1000);
    }
    const { body, headers } = await load();
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(headers["cache-control"]).toBe("no-store");
    const subjects = [...body.matchAll(/<h2>(.*)<\/h2>/g)].map(([, subject]) => subject);
    expect(subjects).toEqual(Array.from({ length: 50 }, (_, n) => `Email ${50 - n}`));
    expect(body).toContain('<time datetime="2026-01-01T00:00:50.000Z">');
  });

  test("links can be followed, everything else in an email is text, and no script can run", async () => {
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
    expect(body).toContain('<iframe sandbox title="The email as HTML" srcdoc="&quot;&gt;&lt;/iframe&gt;');
    expect(headers["content-security-policy"]).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });

  describe("say which mutation takes the token of a link", () => {
    /** The mutations on the page, as a developer would copy them. */
    async function mutations() {
      await app.latchkey.outbox.deliverDue();
      const { body } = await load();
      return [...body.matchAll(/<pre><code>(.*?)<\/code><\/pre>/gs)].map(([, code]) =>
        code!.replaceAll("&quot;", '"'),
      );
    }

    test("which runs as it is", async () => {
      const { user, accessToken: token } = await makeUser(app);
      const input = { username: "newcomer", email: "newcomer@example.com", password: PASSWORD };
      await app.send(REGISTER, { input });
      const [verification] = await mutations();
      await app.send(REQUEST_EMAIL_CHANGE, { newEmail: "moved@example.com" }, { token });
      const [change] = await mutations();
      expect((await app.post({ query: verification })).data).toEqual({ verifyEmail: true });
      expect((await app.post({ query: change })).data).toEqual({ confirmEmailChange: true });
      expect((await app.login("newcomer")).user.emailVerified).toBe(true);
      expect((await app.login("moved@example.com")).user.id).toBe(user.id);
      // The notice that followed has no token.
      expect(await mutations()).toHaveLength(2);
    });

    test("or once the password is filled in", async () => {
      const { email } = await makeUser(app);
      const { token } = await makeUser(app, undefined, ["ADMIN"]);
      await app.send(REQUEST_PASSWORD_RESET, { email });
      const [reset] = await mutations();
      await app.send(CREATE_USER, { input: { username: "invited", email: "i@example.com" } }, { token });
      const [invitation] = await mutations();
      expect(violationOf(await app.post({ query: reset }))).toMatchObject({
        field: "newPassword",
        rule: "minLength",
      });
      const filledIn = (query: string) => ({ query: query.replace('""', JSON.stringify(NEW_PASSWORD)) });
      expect((await app.post(filledIn(reset!))).data).toEqual({ resetPassword: true });
      expect((await app.post(filledIn(invitation!))).data).toEqual({ acceptInvitation: true });
      expect((await load()).body.match(/<p>Fill in the password\.<\/p>/g)).toHaveLength(2);
    });

    test("for every account that an email has a link for", async () => {
      for (const username of ["first", "second"])
        await app.send(REGISTER, { input: { username, email: "shared@example.com", password: PASSWORD } });
      await mutations();
      const { text } = mailer.emails[0]!;
      const tokens = [...text.matchAll(/token=([\w-]{43})/g)].map(([, token]) => token!);
      expect(tokens).toHaveLength(2);
      expect((await mutations()).slice(0, 2)).toEqual(
        tokens.map((token) => `mutation {\n  verifyEmail(token: "${token}")\n}`),
      );
    });

    test.each([
      "https://app.example.com/verify-email",
      "https://app.example.com/verify-email?token=",
      "https://app.example.com/elsewhere?token=abc",
      "https://",
    ])("but not for %s", async (url) => {
      await mailer.send({ ...message("Link"), text: `${url}\n` });
      expect(await mutations()).toEqual([]);
    });

    test("in a form that no token can break out of", async () => {
      const token = encodeURIComponent('") { x } } </code><script>alert(1)</script>');
      await mailer.send({
        ...message("Link"),
        text: `https://app.example.com/verify-email?token=${token}\n`,
      });
      expect((await load()).body).toContain(
        "<code>mutation {\n  verifyEmail(token: &quot;\\&quot;) { x } } &lt;/code&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;)\n}</code>",
      );
    });

    test("with a link that opens it in the explorer, where there is one", async () => {
      await mailer.send({ ...message("Link"), text: "https://app.example.com/a/verify-email?token=abc\n" });
      const operation = 'mutation {\n  verifyEmail(token: "abc")\n}';
      const link = `<a href="explorer?query=${encodeURIComponent(operation)}">Open it in the explorer</a>`;
      for (const hasExplorer of [true, false]) {
        const server = fastify();
        if (hasExplorer) server.get("/explorer", async () => "");
        await addEmails(server, { mailer, publicUrl: "http://localhost:4000" });
        const { body } = await server.inject({ url: "/emails", headers: { host: "localhost" } });
        expect([body.includes(link), body.includes("explorer?query")]).toEqual([hasExplorer, hasExplorer]);
      }
    });
  });

  test.each([
    ["development", {}, 200],
    ["development, with a mail server", { SMTP_URL: "smtp://127.0.0.1:1" }, 404],
    ["production", { NODE_ENV: "production" }, 404],
  ])("the page exists only in development without a mail server: %s", async (_where, env, status) => {
    const other = await start({ env });
    expect((await other.request("/emails")).status).toBe(status);
  });

  test("production without a mail server sends nothing, and keeps no email", async () => {
    const production = await start({ env: { NODE_ENV: "production" } });
    await expect(production.latchkey.mailer.send(message("Secret"))).rejects.toThrow("SMTP_URL is not set");
  });
});

describe("who may read the page of emails", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env: { PUBLIC_URL: "http://latchkey.dev.example:4000" } });
    await (app.latchkey.mailer as PrintedMailer).send(message("Private"));
  });
  afterAll(() => app.close());

  // Otherwise a website whose name resolves to this machine could read it (DNS rebinding).
  test.each([
    ["localhost:4000", 200],
    ["LOCALHOST", 200],
    ["127.0.0.1:4000", 200],
    ["127.9.9.9", 200],
    ["[::1]:4000", 200],
    ["[::ffff:127.0.0.1]", 200],
    ["latchkey.dev.example", 200],
    ["evil.example", 421],
    ["a@localhost", 421],
    ["localhost\\@evil.example", 421],
    ["localhost.evil.example", 421],
    ["127.0.0.1.evil.example", 421],
    ["latchkey.dev.example.evil.example", 421],
    ["10.0.0.1", 421],
    ["0.0.0.0", 421],
    ["%", 421],
  ])("the Host %s is answered with %i", async (host, status) => {
    const answer = await raw(app.address, [
      "GET /emails HTTP/1.1",
      `host: ${host}`,
      // From a trusted proxy, or from a script of that page.
      "x-forwarded-host: localhost",
      "connection: close",
      "",
      "",
    ]);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer.includes("Private")).toBe(status === 200);
    if (status === 421)
      expect(answer.split("\r\n\r\n")[1]).toBe('{"error":"Open this page at localhost, or at PUBLIC_URL."}');
  });

  test.each(["GET", "OPTIONS"])(
    "a page of another origin cannot read them, and its %s is refused",
    async (method) => {
      for (const origin of ["https://studio.apollographql.com", "https://sandbox.embed.apollographql.com"]) {
        const headers = { origin, "access-control-request-method": "GET" };
        const answer = await app.request("/emails", { method, headers });
        expect(answer.status).toBe(method === "GET" ? 200 : 405);
        expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
      }
    },
  );
});
