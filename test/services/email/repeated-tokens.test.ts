import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MINUTE, SECOND } from "../../../src/clock.js";
import { accountsOf } from "../../support/accounts.js";
import { DELETE_USER, UPDATE_USER } from "../../support/administration-operations.js";
import { codeOf, errorOf } from "../../support/answers.js";
import { type App, makeApp, NEW_PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { hold } from "../../support/held.js";
import {
  ACCEPT_INVITATION,
  CONFIRM_EMAIL_CHANGE,
  REQUEST_EMAIL_CHANGE,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "../../support/operations.js";
import { auditEventsOf } from "../../support/tables.js";
import { makeUser } from "../../support/users.js";

describe.each(DATABASES)("a token that verifies an address and is sent again, on %s", (database) => {
  let app: App;
  /** Another process. */
  let other: App;
  beforeAll(async () => {
    app = await makeApp({ database });
    other = await makeApp({ databaseUrl: app.databaseUrl, clock: app.clock });
  });
  afterAll(async () => {
    await other.close();
    await app.close();
  });

  const { emailsTo, tokenFrom, signIn, register } = accountsOf(() => app);
  const verify = (token: string, at = app) => at.send(VERIFY_EMAIL, { token });
  const confirm = (token: string, at = app) => at.send(CONFIRM_EMAIL_CHANGE, { token });
  const eventsOf = async (userId: string) =>
    (await auditEventsOf(app.latchkey.db, userId)).map(({ type }) => type);

  let accounts = 0;
  /** Registers a user. Returns the token to verify the address. */
  async function newcomer() {
    const username = `newcomer${accounts++}`;
    await register(username);
    const { id, email } = await app.latchkey.operator.get(username);
    return { username, id, email, token: await tokenFrom(email) };
  }
  /** Asks to change the address of a user. Returns the token to confirm it. */
  async function mover() {
    const { user, accessToken, email } = await signIn();
    const newEmail = `new-${email}`;
    await app.send(REQUEST_EMAIL_CHANGE, { newEmail }, { token: accessToken });
    return { id: user.id, username: user.username, email, newEmail, token: await tokenFrom(newEmail) };
  }

  test("verifyEmail answers true again for a minute, and does nothing", async () => {
    const { id, username, email, token } = await newcomer();
    expect((await verify(token)).data).toEqual({ verifyEmail: true });
    await app.send(REQUEST_PASSWORD_RESET, { email });
    const reset = await tokenFrom(email);
    const events = await eventsOf(id);
    expect(events.filter((type) => type === "EMAIL_VERIFIED")).toHaveLength(1);
    app.clock.advance(MINUTE - 1);
    for (const each of [app, other]) expect((await verify(token, each)).data).toEqual({ verifyEmail: true });
    expect(await eventsOf(id)).toEqual(events);
    app.clock.advance(1);
    expect(errorOf(await verify(token))).toEqual({
      message: "The token is unknown, used or expired. Ask for a new email.",
      extensions: { code: "INVALID_TOKEN" },
    });
    // The first time withdraws other tokens; the second left this one alone.
    expect((await app.send(RESET_PASSWORD, { token: reset, newPassword: NEW_PASSWORD })).data).toBeTruthy();
    expect((await app.login(username, NEW_PASSWORD)).user.emailVerified).toBe(true);
  });

  test("confirmEmailChange answers true again for a minute, and notifies the old address once", async () => {
    const { id, email, token } = await mover();
    for (let n = 0; n < 3; n++) expect((await confirm(token)).data).toEqual({ confirmEmailChange: true });
    expect((await eventsOf(id)).filter((type) => type === "EMAIL_CHANGED")).toHaveLength(1);
    expect((await emailsTo(email)).map(({ subject }) => subject)).toEqual(["Your email address was changed"]);
    app.clock.advance(MINUTE);
    expect(codeOf(await confirm(token))).toBe("INVALID_TOKEN");
  });

  test("two processes that get it at the same time both answer true, and one has the effect", async () => {
    const { id, token } = await newcomer();
    const held = await hold(app, [`update users set updated_at = 0 where id = '${id}'`]);
    const both = Promise.all([verify(token), verify(token, other)]);
    await held.waited(2);
    await held.commit();
    const answers = await both;
    expect(answers.map(({ data }) => data)).toEqual(Array(2).fill({ verifyEmail: true }));
    expect((await eventsOf(id)).filter((type) => type === "EMAIL_VERIFIED")).toHaveLength(1);
  });

  test("does not work once the account is disabled, has another address or is deleted", async () => {
    const { token: admin } = await makeUser(app, undefined, ["ADMIN"]);
    const disabled = await newcomer();
    await verify(disabled.token);
    await app.latchkey.operator.disable(disabled.username);
    expect(codeOf(await verify(disabled.token))).toBe("INVALID_TOKEN");

    const changed = await newcomer();
    await verify(changed.token);
    const input = { email: "elsewhere@example.com" };
    expect((await app.send(UPDATE_USER, { id: changed.id, input }, { token: admin })).data).toBeTruthy();
    expect(codeOf(await verify(changed.token))).toBe("INVALID_TOKEN");

    const deleted = await mover();
    await confirm(deleted.token);
    await app.send(DELETE_USER, { id: deleted.id }, { token: admin });
    expect(codeOf(await confirm(deleted.token))).toBe("INVALID_TOKEN");
  });

  test("works for its own purpose only, and not if it was withdrawn instead of used", async () => {
    const { token } = await newcomer();
    await verify(token);
    expect(codeOf(await confirm(token))).toBe("INVALID_TOKEN");
    const withdrawn = await newcomer();
    await app.latchkey.operator.verify(withdrawn.username);
    expect(codeOf(await verify(withdrawn.token))).toBe("INVALID_TOKEN");
  });

  // The second password may differ from the one that was set.
  test("a token that sets a password works once", async () => {
    const { email } = await signIn();
    await app.send(REQUEST_PASSWORD_RESET, { email });
    const variables = { token: await tokenFrom(email), newPassword: NEW_PASSWORD };
    expect((await app.send(RESET_PASSWORD, variables)).data).toEqual({ resetPassword: true });
    app.clock.advance(SECOND);
    expect(codeOf(await app.send(RESET_PASSWORD, variables))).toBe("INVALID_TOKEN");
    const invitation = { token: variables.token, password: NEW_PASSWORD };
    expect(codeOf(await app.send(ACCEPT_INVITATION, invitation))).toBe("INVALID_TOKEN");
  });
});
