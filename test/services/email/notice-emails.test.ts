import { describe, expect, test } from "@jest/globals";
import { HOUR, SECOND } from "../../../src/clock.js";
import { accountEmails, tokensIn, visible } from "../../support/account-emails.js";
import { UPDATE_USER } from "../../support/administration-operations.js";
import type { App } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { CONFIRM_EMAIL_CHANGE, DELETE_ACCOUNT, REQUEST_EMAIL_CHANGE } from "../../support/operations.js";
import { makeUser } from "../../support/users.js";

describe.each(DATABASES)("emails about accounts on %s", (database) => {
  let app: App;
  const { acceptAll, askForReset, emailsTo, lastTo, newName, outboxOf, refuseAll } = accountEmails(
    database,
    (started) => {
      app = started;
    },
  );

  describe("that are notices", () => {
    test("the old address is notified of the new one, even if the account is deleted immediately", async () => {
      const { username, email, token } = await makeUser(app, newName());
      const newEmail = `new-${email}`;
      await app.send(REQUEST_EMAIL_CHANGE, { newEmail }, { token });
      const [change] = tokensIn(await lastTo(newEmail));
      refuseAll();
      await app.send(CONFIRM_EMAIL_CHANGE, { token: change! });
      await app.send(DELETE_ACCOUNT, {}, { token });
      await acceptAll();
      const warnings = await emailsTo(email);
      expect(warnings.map(({ headers }) => headers["subject"])).toEqual(["Your email address was changed"]);
      expect(await lastTo(email)).toContain(
        `Hello ${username},\n\nThe email address of your account is now ${newEmail}. `,
      );
      expect(await lastTo(newEmail)).toMatch(
        new RegExp(`^Hello ${username},\n\nYour account and everything that belonged to it were deleted`),
      );
    });

    test("each states the facts at the time of the event, not when it is sent", async () => {
      const username = newName();
      const { id, email } = await app.createUser(username);
      const { token } = await makeUser(app, newName(), ["ADMIN"]);
      refuseAll();
      await askForReset(email);
      for (const letter of ["b", "c"]) {
        const input = { username: `${username}-${letter}`, email: `${letter}-${email}` };
        expect((await app.send(UPDATE_USER, { id, input }, { token })).errors).toBeUndefined();
      }
      await acceptAll();
      const notices = (await emailsTo(email)).map(({ text }) => visible(text).split("\n\n")[1]);
      expect(notices).toEqual(
        expect.arrayContaining([
          expect.stringContaining(`It is now ${username}-b. `),
          expect.stringContaining(`is now b-${email}. `),
        ]),
      );
      expect(notices).toHaveLength(2);
    });

    test("an email of a kind unknown to this version is kept, and given up after three days", async () => {
      const email = "future@example.com";
      const now = app.clock.now();
      const row = { id: "future", kind: "PASSKEY_ADDED", email, user_id: null, facts: "{}" };
      const { db, outbox } = app.latchkey;
      await db
        .insertInto("outbox")
        .values({ ...row, encrypted_tokens: null, created_at: now, next_attempt_at: now, attempts: 0 })
        .execute();
      const logged = () =>
        app.seen.filter((line) => line.includes("PASSKEY_ADDED")).map((line) => JSON.parse(line));
      await outbox.deliverDue();
      expect(await outboxOf(email)).toMatchObject([{ attempts: 1, next_attempt_at: now + 30 * SECOND }]);
      expect(logged()).toMatchObject([
        {
          email: { id: "future", kind: "PASSKEY_ADDED", outcome: "DELAYED" },
          err: { message: 'This version does not know the kind of email "PASSKEY_ADDED".' },
        },
      ]);
      app.clock.advance(72 * HOUR - 1);
      await outbox.deliverDue();
      expect(await outboxOf(email)).toHaveLength(1);
      app.clock.advance(HOUR);
      await outbox.deliverDue();
      expect(logged().at(-1)).toMatchObject({ email: { outcome: "GIVEN_UP" } });
      expect([await outboxOf(email), await emailsTo(email)]).toEqual([[], []]);
    });

    test("an email without the facts it should state is kept, and never sent with a gap", async () => {
      const email = "gap@example.com";
      const now = app.clock.now();
      const row = { id: "gap", kind: "EMAIL_CHANGED", email, user_id: null, facts: '{"username":"gap"}' };
      await app.latchkey.db
        .insertInto("outbox")
        .values({ ...row, encrypted_tokens: null, created_at: now, next_attempt_at: now, attempts: 0 })
        .execute();
      expect(await emailsTo(email)).toEqual([]);
      expect(await outboxOf(email)).toMatchObject([{ attempts: 1 }]);
      const logged = app.seen.filter((line) => line.includes('"id":"gap"')).map((line) => JSON.parse(line));
      expect(logged).toMatchObject([{ email: { kind: "EMAIL_CHANGED", outcome: "DELAYED" } }]);
      await app.latchkey.db.deleteFrom("outbox").where("id", "=", "gap").execute();
    });
  });
});
