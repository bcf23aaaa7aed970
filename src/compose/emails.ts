import type { Clock } from "../clock.js";
import type { Config } from "../config.js";
import type { KeyedHash } from "../crypto/keyed-hash.js";
import type { Mailer } from "../email/mailer.js";
import { NoMailer } from "../email/none.js";
import { PrintedMailer } from "../email/printed.js";
import { SmtpMailer } from "../email/smtp.js";
import { accountEmails } from "../services/email/account-emails.js";
import { OneTimeTokens } from "../services/email/one-time-tokens.js";
import { Outbox } from "../services/email/outbox.js";
import { EmailLimits } from "../services/limits/email-limits.js";
import type { Base } from "./base.js";

export type Emails = ReturnType<typeof composeEmails>;

/** Builds the outbox, and the mailer that the configuration asks for. */
export function composeEmails(
  config: Config,
  { db, clock, newId, logger, secretKey, logFailure }: Base,
  { names, print }: { names: KeyedHash; print: (text: string) => void },
) {
  const mailer = mailerOf(config, { clock, print });
  const tokens = new OneTimeTokens({ clock });
  const outbox = new Outbox({
    db,
    clock,
    newId,
    mailer,
    compose: accountEmails({ db, tokens, secretKey, appUrl: config.appUrl }),
    limits: new EmailLimits({ db, clock, names }),
    onFailure: ({ error: err, ...email }) => logger.warn({ err, email }, "an email was not sent"),
    onError: logFailure("the outbox failed"),
  });
  return { mailer, sendsEmail: !(mailer instanceof NoMailer), tokens, outbox };
}

function mailerOf(config: Config, deps: { clock: Clock; print: (text: string) => void }): Mailer {
  const { smtpUrl, emailFrom, production } = config;
  if (smtpUrl !== undefined) return new SmtpMailer({ url: smtpUrl, from: emailFrom });
  return production ? new NoMailer() : new PrintedMailer(deps);
}
