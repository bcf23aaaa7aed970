import type { Config } from "../config.js";
import { Administration } from "../services/accounts/administration.js";
import { Disabling } from "../services/accounts/disabling.js";
import { Operator } from "../services/accounts/operator.js";
import { OwnAccount } from "../services/accounts/own-account.js";
import { Registration } from "../services/accounts/registration.js";
import { UserImport } from "../services/accounts/user-import.js";
import { EmailRequests } from "../services/email/email-requests.js";
import { AccountAccess } from "../services/passwords/account-access.js";
import { PasswordPolicy } from "../services/passwords/policy.js";
import { PasswordRecovery } from "../services/passwords/recovery.js";
import type { Base } from "./base.js";
import type { Emails } from "./emails.js";
import type { SessionParts } from "./sessions.js";
import type { SignIn } from "./sign-in.js";

/** Builds what creates, changes and recovers accounts. */
export function composeAccounts(
  config: Config,
  { db, clock, newId, audit }: Base,
  { passwords, passwordQueue, rateLimits, sessions }: SessionParts,
  { passwordCheck, factors }: SignIn,
  { sendsEmail, tokens, outbox }: Emails,
) {
  const policy = new PasswordPolicy({
    rateLimits,
    passwords,
    passwordQueue,
    minLength: config.passwordMinLength,
  });
  const emailRequests = new EmailRequests({ db, rateLimits, outbox });
  const access = new AccountAccess({ clock, rateLimits, sessions, outbox });
  const disabling = new Disabling({ clock, audit, access });
  // PasswordRecovery takes exactly these, the other two these and more.
  const deps = {
    db,
    clock,
    audit,
    rateLimits,
    policy,
    tokens,
    access,
    outbox,
  };
  const registration = new Registration({ ...deps, newId, open: config.openRegistration });
  const recovery = new PasswordRecovery(deps);
  const ownAccount = new OwnAccount({ ...deps, passwordCheck, sessions, emailRequests });
  const administration = new Administration({
    db,
    clock,
    newId,
    audit,
    access,
    disabling,
    factors,
    sessions,
    outbox,
    sendsEmail,
  });
  const operator = new Operator({
    db,
    clock,
    newId,
    policy,
    audit,
    access,
    disabling,
    factors,
    outbox,
  });
  const userImport = new UserImport({ db, clock, newId, audit, access, bcryptCost: config.bcryptCost });
  return { policy, emailRequests, registration, recovery, ownAccount, administration, operator, userImport };
}
