import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { closeWithFile } from "./opened.ts";

export interface ReceivedEmail {
  envelope: { from: string; to: string[] };
  headers: Record<string, string>;
  text: string;
  html: string;
}

export type MailServer = Awaited<ReturnType<typeof startMailServer>>;

/** What the server does at each step. It answers with the error that a step throws. */
export interface Behaviour {
  recipient?: (address: string) => Promise<void> | void;
  data?: (message: ReceivedEmail) => Promise<void> | void;
}

/** Returns an SMTP error, for `throw refusal(550)`. It repeats the address, like real servers. */
export function refusal(responseCode: number, text = "No, not <alice@example.com>"): Error {
  return Object.assign(new Error(text), { responseCode });
}

/** Starts a real SMTP server on the port, by default a free one. */
export async function startMailServer(
  behaviour: Behaviour = {},
  { port = 0, ...options }: SMTPServerOptions & { port?: number } = {},
) {
  const received: ReceivedEmail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    closeTimeout: 100,
    onRcptTo({ address }, _session, callback) {
      answer(async () => behaviour.recipient?.(address), callback);
    },
    onData(stream, { envelope }, callback) {
      answer(async () => {
        const { mailFrom, rcptTo } = envelope;
        const message = {
          envelope: {
            from: mailFrom === false ? "" : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
          },
          ...parse(await text(stream)),
        };
        await behaviour.data?.(message);
        received.push(message);
      }, callback);
    },
    ...options,
  });
  // Tests disconnect in the middle.
  server.on("error", () => {});
  await once(server.listen(port, "127.0.0.1"), "listening");
  const address = server.server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => server.close(resolve)).finally(forget);
  const forget = closeWithFile(close);
  return {
    behaviour,
    received,
    port: address.port,
    url: `smtp://127.0.0.1:${address.port}`,
    close,
  };
}

function answer(step: () => Promise<void>, callback: (error?: Error | null) => void): void {
  step().then(() => callback(), callback);
}

/** Parses as much of MIME as a text with an HTML alternative needs. */
function parse(source: string): Pick<ReceivedEmail, "headers" | "text" | "html"> {
  const { headers, body } = split(source);
  const boundary = /boundary="([^"]+)"/.exec(headers["content-type"] ?? "")?.[1];
  const parts = body
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => split(part.replace(/^\r\n/, "")));
  const part = (type: string) => {
    const found = parts.find(({ headers }) => headers["content-type"]?.startsWith(type));
    return found === undefined ? "" : decode(found.body, found.headers["content-transfer-encoding"]);
  };
  return { headers, text: part("text/plain"), html: part("text/html") };
}

function split(source: string) {
  const end = source.indexOf("\r\n\r\n");
  const lines = source
    .slice(0, end)
    .replace(/\r\n[ \t]+/g, " ")
    .split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]),
  );
  return { headers, body: source.slice(end + 4) };
}

function decode(body: string, encoding = "7bit"): string {
  const bytes =
    encoding === "base64"
      ? Buffer.from(body, "base64")
      : encoding === "quoted-printable"
        ? Buffer.from(
            body
              .replace(/=\r\n/g, "")
              .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
            "latin1",
          )
        : Buffer.from(body);
  return `${bytes.toString("utf8").replaceAll("\r\n", "\n").trimEnd()}\n`;
}
