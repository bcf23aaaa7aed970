import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { EmailError, PermanentEmailError } from "../../src/email/mailer.js";
import { SmtpMailer } from "../../src/email/smtp.js";
import { type MailServer, startMailServer } from "../support/mail-server.js";

const MAIL = { to: "alice@example.com", subject: "Hello", text: "Text\n", html: "<p>HTML</p>\n" };

describe("the SMTP mailer", () => {
  let server: MailServer;
  let mailer: SmtpMailer;
  beforeAll(async () => {
    server = await startMailServer();
    mailer = new SmtpMailer({ url: server.url, from: "Zoë's Shop <shop@example.com>" });
  });
  afterAll(async () => {
    await mailer.close();
    await server.close();
  });

  test("sends text and HTML, in any script", async () => {
    await mailer.send({ ...MAIL, subject: "Grüße, 你好", text: "Grüße\n", html: "<p>你好</p>\n" });
    expect(server.received.pop()).toMatchObject({
      envelope: { from: "shop@example.com", to: ["alice@example.com"] },
      headers: {
        from: expect.stringMatching(/^=\?UTF-8\?.* <shop@example\.com>$/),
        subject: expect.stringMatching(/^=\?UTF-8\?/),
      },
      text: "Grüße\n",
      html: "<p>你好</p>\n",
    });
  });

  test.each([
    { to: "alice@example.com\r\nBcc: mallory@example.com" },
    { subject: "Hello\nBcc: mallory@example.com" },
    { subject: "Hello\rBcc: mallory@example.com" },
  ])("refuses a line break in a header: %j", async (part) => {
    await expect(mailer.send({ ...MAIL, ...part })).rejects.toThrow(PermanentEmailError);
    expect(server.received).toEqual([]);
  });

  test.each(["alice@example.com, mallory@example.com", "Mallory <mallory@example.com>"])(
    "treats an address as a single address: %s",
    async (to) => {
      await mailer.send({ ...MAIL, to }).catch(() => {});
      expect(server.received.splice(0).flatMap(({ envelope }) => envelope.to)).not.toContain(
        "mallory@example.com",
      );
    },
  );

  test("reuses its connections, and replaces those that the server has closed", async () => {
    await mailer.send(MAIL);
    const { port } = server;
    await server.close();
    server = await startMailServer({}, { port });
    await mailer.send(MAIL);
    expect(server.received).toHaveLength(1);
  });

  test("gives up on a server that does not respond within 10 seconds", async () => {
    const silent = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const waiting = new SmtpMailer({ url: `smtp://127.0.0.1:${port}`, from: "shop@example.com" });
    const started = performance.now();
    const failure = await waiting.send(MAIL).catch((error) => error);
    expect(failure).toBeInstanceOf(EmailError);
    expect(failure).not.toBeInstanceOf(PermanentEmailError);
    expect(performance.now() - started).toBeLessThan(12_000);
    await waiting.close();
    silent.close();
  });
});
