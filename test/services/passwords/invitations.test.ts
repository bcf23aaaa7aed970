import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  CREATE_USER,
  DELETE_USER,
  DISABLE_USER,
  SET_USER_ROLES,
  UPDATE_USER,
} from "../../support/administration-operations.js";
import { errorOf, INVALID_TOKEN } from "../../support/answers.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { emailedToken } from "../../support/emails.js";
import {
  ACCEPT_INVITATION,
  DELETE_ACCOUNT,
  REQUEST_EMAIL_VERIFICATION,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "../../support/operations.js";
import { makeUser, type SignedIn } from "../../support/users.js";

const OTHER_PASSWORD = "CANARY-yet-a-third-set-of-words";

describe.each(DATABASES)("access to an account on %s", (database) => {
  let app: App;
  let admin: SignedIn;
  beforeAll(async () => {
    app = await makeApp({ database });
    admin = await makeUser(app, "root", ["ADMIN"]);
  });
  afterAll(() => app.close());

  describe("an invitation", () => {
    let users = 0;
    async function invite() {
      const username = `person-${users++}`;
      const email = `${username}@example.com`;
      const { data } = await app.send(CREATE_USER, { input: { username, email } }, admin);
      return { id: data!.createUser.id, username, email, invitation: await emailedToken(app, email) };
    }
    const accept = (token: string) => app.send(ACCEPT_INVITATION, { token, password: OTHER_PASSWORD });

    test("sets one password, once", async () => {
      const { invitation, username } = await invite();
      expect((await accept(invitation)).data).toEqual({ acceptInvitation: true });
      expect(errorOf(await accept(invitation))).toEqual(INVALID_TOKEN);
      expect((await app.login(username, OTHER_PASSWORD)).user.username).toBe(username);
    });

    test("sets none after the address was verified by another link", async () => {
      const { invitation, email } = await invite();
      await app.send(REQUEST_EMAIL_VERIFICATION, { email });
      const token = await emailedToken(app, email);
      expect((await app.send(VERIFY_EMAIL, { token })).data).toEqual({ verifyEmail: true });
      expect(errorOf(await accept(invitation))).toEqual(INVALID_TOKEN);
      // Nor does a token from an older version: an invited user with a password is no longer invited.
      await app.send(REQUEST_PASSWORD_RESET, { email });
      const reset = await emailedToken(app, email);
      expect((await app.send(RESET_PASSWORD, { token: reset, newPassword: NEW_PASSWORD })).data).toBeTruthy();
      expect(errorOf(await accept(invitation))).toEqual(INVALID_TOKEN);
    });

    test.each([
      [
        "an operator set a password",
        (username: string) => app.latchkey.operator.setPassword(username, PASSWORD),
      ],
      [
        "an administrator changed the address",
        async (_username: string, id: string) => {
          const email = `changed-${id}@example.com`;
          expect((await app.send(UPDATE_USER, { id, input: { email } }, admin)).data).toBeTruthy();
        },
      ],
      [
        "an administrator disabled the account",
        async (_username: string, id: string) => {
          await app.send(DISABLE_USER, { id }, admin);
        },
      ],
    ] as const)("sets none after %s", async (_what, change) => {
      const { id, username, invitation } = await invite();
      await change(username, id);
      expect(errorOf(await accept(invitation))).toEqual(INVALID_TOKEN);
    });

    test("does not make its user count as an administrator before it is accepted", async () => {
      const other = await makeApp({ database });
      try {
        const { id, token } = await makeUser(other, "real", ["ADMIN"]);
        const input = { username: "invited", email: "invited@example.com", roles: ["ADMIN" as const] };
        expect((await other.send(CREATE_USER, { input }, { token })).data).toBeTruthy();
        const last = {
          message: "This is the last administrator. Make another user an administrator first.",
          extensions: { code: "FORBIDDEN" },
        };
        for (const answer of [
          await other.send(DELETE_ACCOUNT, {}, { token }),
          await other.send(SET_USER_ROLES, { id, roles: ["USER"] }, { token }),
          await other.send(DISABLE_USER, { id }, { token }),
          await other.send(DELETE_USER, { id }, { token }),
        ]) {
          expect(errorOf(answer)).toEqual(last);
        }
        const accept = { token: await emailedToken(other, "invited@example.com"), password: OTHER_PASSWORD };
        expect((await other.send(ACCEPT_INVITATION, accept)).data).toBeTruthy();
        expect((await other.send(SET_USER_ROLES, { id, roles: ["USER"] }, { token })).data).toBeTruthy();
      } finally {
        await other.close();
      }
    });
  });
});
