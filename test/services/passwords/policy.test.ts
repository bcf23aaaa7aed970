import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dictionary } from "@zxcvbn-ts/language-common";
import { hash } from "bcrypt";
import { OneTimeTokens } from "../../../src/services/email/one-time-tokens.js";
import { setPasswordHash } from "../../../src/storage/credentials.js";
import { errorOf, INVALID_TOKEN } from "../../support/answers.js";
import { type Answer, type App, makeApp, PASSWORD } from "../../support/app.js";
import {
  ACCEPT_INVITATION,
  CHANGE_PASSWORD,
  PASSWORD_STRENGTH,
  REGISTER,
  RESET_PASSWORD,
} from "../../support/operations.js";

/** The most common passwords from breaches, most common first. */
const COMMON = dictionary["passwords-common"] as string[];

const GUESSABLE = "the password is too easy to guess; choose a few unrelated words, and none of your names";

describe("a password that is set", () => {
  let app: App;
  /** An app with the smallest minimum length, because most common passwords are short. */
  let lenient: App;
  let users = 0;
  beforeAll(async () => {
    app = await makeApp();
    lenient = await makeApp({ env: { PASSWORD_MIN_LENGTH: "8" } });
  });
  afterAll(() => Promise.all([app.close(), lenient.close()]));

  const names = () => ({ username: `user-${users}`, email: `user-${users++}@example.com` });
  /** Sends each request from another network. */
  const register = (password: string, { at = app, owner = names() } = {}) =>
    at.send(
      REGISTER,
      { input: { ...owner, password } },
      { from: `198.51.${Math.floor(users / 250)}.${users % 250}` },
    );
  const violationsOf = ({ errors }: Answer<unknown>) => errors?.[0]?.extensions?.["violations"];

  async function expectRefused(password: string, rule: string, message: string): Promise<void> {
    const { status, errors } = await register(password);
    expect([status, errors?.[0]?.extensions]).toEqual([
      400,
      { code: "BAD_USER_INPUT", violations: [{ field: "input.password", rule, message }] },
    ]);
  }

  test("has 15 characters or more, counted in code points (row 1)", async () => {
    const fish = "🦈🐙🦑🐬🐳🐋🦭🐟🐠🐡🐚🪸🦀🦞";
    expect([[...fish].length, Buffer.byteLength(fish)]).toEqual([14, 56]);
    const message = "the password must be at least 15 characters; a few words are easiest";
    await expectRefused(fish, "minLength", message);
    await expectRefused("seven brown ke", "minLength", message);
    for (const password of [`${fish}🦐`, "seven brown ket"]) {
      expect((await register(password)).data).toBeTruthy();
    }
  });

  test("may have 64 characters, and 72 bytes; a longer one is refused and never truncated (rows 2, 13)", async () => {
    const words = "sieben braune Kessel schlafen unter Brücken und träumen vom Regen am See";
    for (const [characters, bytes] of [
      [64, 66],
      [70, 72],
    ]) {
      const password = [...words].slice(0, characters).join("");
      expect(Buffer.byteLength(password)).toBe(bytes);
      const owner = names();
      expect((await register(password, { owner })).data).toBeTruthy();
    }
    const message = "the password must be at most 72 bytes of UTF-8";
    await expectRefused([...words].slice(0, 71).join(""), "maxBytes", message);
    await expectRefused("🦈🐙🦑🐬".repeat(16), "maxBytes", message);
  });

  test("needs no capital, digit or symbol, and may have any (row 4)", async () => {
    for (const password of [
      "seven brown kettles sleeping",
      "SEVENBROWNKETTLESSLEEPING",
      "七つの茶色いやかんが橋の下で眠る",
      "8293 5510 7746 0391",
      "~^|{}%$§!?;:_-#+*'\"\\",
    ]) {
      const { data, errors } = await register(password);
      expect([password, errors]).toEqual([password, undefined]);
      expect(data).toBeTruthy();
    }
  });

  test("is well-formed Unicode without NUL (row 5)", async () => {
    for (const wrong of ["\ud83e", "\udd88 ", "\0"]) {
      const password = `${PASSWORD}${wrong}`;
      const message = "the password must be well-formed Unicode without NUL characters";
      await expectRefused(password, "wellFormed", message);
      await expect(app.createUser("malformed", password)).rejects.toMatchObject({
        code: "BAD_USER_INPUT",
        details: { violations: [{ field: "password", rule: "wellFormed", message }] },
      });
    }
  });

  describe("is told together with everything else that is wrong", () => {
    const SHORT = {
      rule: "minLength",
      message: "the password must be at least 15 characters; a few words are easiest",
    };
    const WEAK = [
      ["short", SHORT],
      ["passwordpassword", { rule: "guessable", message: GUESSABLE }],
    ] as const;
    const wrong = { username: "", email: "no address", fullName: "" };
    const others = (prefix: string) => [
      {
        field: `${prefix}username`,
        rule: "username",
        message: "username must be 3 to 32 characters from a-z, 0-9, dot, underscore and hyphen",
      },
      { field: `${prefix}email`, rule: "email", message: "email must be an email address" },
      {
        field: `${prefix}fullName`,
        rule: "fullName",
        message: "fullName must be 1 to 200 printable characters",
      },
    ];

    test.each(WEAK)("%s, in register and at the command line", async (password, violation) => {
      expect(violationsOf(await register(password, { owner: wrong }))).toEqual([
        ...others("input."),
        { field: "input.password", ...violation },
      ]);
      const created = app.latchkey.operator.create(wrong, password);
      await expect(created).rejects.toMatchObject({
        details: { violations: [...others(""), { field: "password", ...violation }] },
      });
    });

    test("the other fields of register, whatever their length", async () => {
      expect(violationsOf(await register(PASSWORD, { owner: wrong }))).toEqual(others("input."));
      const long = "x".repeat(10_000);
      const owner = { username: long, email: `${long}@example.com`, fullName: `${long}\ud83e` };
      expect(violationsOf(await register(long, { owner }))).toEqual([
        ...others("input."),
        {
          field: "input.password",
          rule: "maxBytes",
          message: "the password must be at most 72 bytes of UTF-8",
        },
      ]);
    });

    test("several rules that it breaks itself", async () => {
      expect(violationsOf(await register("🦈\0"))).toMatchObject([
        { rule: "wellFormed" },
        { rule: "minLength" },
      ]);
    });

    // From before the policy, or imported.
    test.each(WEAK)("%s, in changePassword when it is the current one", async (password, violation) => {
      const { id, username } = await app.createUser(names().username);
      await setPasswordHash(app.latchkey.db, id, await hash(password, 4), app.clock.now());
      const { accessToken: token } = await app.login(username, password);
      const passwords = { currentPassword: password, newPassword: password };
      expect(violationsOf(await app.send(CHANGE_PASSWORD, passwords, { token }))).toEqual([
        {
          field: "newPassword",
          rule: "different",
          message: "the new password must differ from the current one",
        },
        { field: "newPassword", ...violation },
      ]);
    });

    test("but not with a token that does not work: the link is useless anyway", async () => {
      for (const token of ["", "unknown", "\0", "x".repeat(300)]) {
        const reset = await app.send(RESET_PASSWORD, { token, newPassword: "short" });
        const accepted = await app.send(ACCEPT_INVITATION, { token, password: "short" });
        expect([errorOf(reset), errorOf(accepted)]).toEqual([INVALID_TOKEN, INVALID_TOKEN]);
      }
    });
  });

  test("has a score of 3 or more (row 6)", async () => {
    for (const [password, score] of [
      ["monkey dragon sun", 2],
      ["chicken sandwich", 3],
    ] as const) {
      const { data } = await app.send(PASSWORD_STRENGTH, { password });
      expect([password, data?.passwordStrength.score]).toEqual([password, score]);
    }
    await expectRefused("monkey dragon sun", "guessable", GUESSABLE);
    expect((await register("chicken sandwich")).data).toBeTruthy();
  });

  test("has 8 letters and digits besides the names in it (row 8)", async () => {
    const owner = { username: "friederike", email: "friederike@example.com" };
    const refused = await register("friederike-qzx vkjp!", { owner });
    expect(violationsOf(refused)).toEqual([
      { field: "input.password", rule: "guessable", message: GUESSABLE },
    ]);
    expect((await register("friederike-qzx vkjpw!", { owner })).data).toBeTruthy();
  });

  test("is not one of 200 common passwords that are long enough, nor any common one of 15 characters (row 6)", async () => {
    const long = COMMON.filter((password) => [...password].length >= 8);
    expect(long.length).toBeGreaterThan(15_000);
    const step = Math.floor(long.length / 200);
    const some = long.filter((_, n) => n % step === 0).slice(0, 200);
    const longest = COMMON.filter((password) => [...password].length >= 15);
    expect([some.length, longest.length > 30]).toEqual([200, true]);
    const texts = new Set<string>();
    for (const [passwords, at] of [
      [some, lenient],
      [longest, app],
    ] as const) {
      for (const password of passwords) {
        const answer = await register(password, { at });
        expect([password, answer.status, violationsOf(answer)]).toEqual([
          password,
          400,
          [{ field: "input.password", rule: "guessable", message: GUESSABLE }],
        ]);
        texts.add(answer.text);
      }
    }
    // All answers are the same, so none quotes the password.
    expect(texts.size).toBe(1);
  }, 60_000);

  test("follows these rules wherever it is set (row 7)", async () => {
    const breached = "q1w2e3r4t5y6u7i8o9p0";
    expect(COMMON).toContain(breached);
    const { id, username, email } = await app.createUser("alice");
    const { accessToken: token } = await app.login("alice");
    const tokens = new OneTimeTokens({ clock: app.clock });
    const issue = async (purpose: "PASSWORD_RESET" | "INVITATION") =>
      (await tokens.issue(app.latchkey.db, purpose, { userId: id, email })).token;
    const change = { currentPassword: PASSWORD, newPassword: breached };
    const reset = { token: await issue("PASSWORD_RESET"), newPassword: breached };
    const invitation = { token: await issue("INVITATION"), password: breached };
    for (const [answer, field] of [
      [await register(breached), "input.password"],
      [await app.send(CHANGE_PASSWORD, change, { token }), "newPassword"],
      [await app.send(RESET_PASSWORD, reset), "newPassword"],
      [await app.send(ACCEPT_INVITATION, invitation), "password"],
    ] as const) {
      expect(violationsOf(answer)).toEqual([{ field, rule: "guessable", message: GUESSABLE }]);
    }
    await expect(app.createUser("bob", breached)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    await expect(app.latchkey.operator.setPassword(username, breached)).rejects.toMatchObject({
      code: "BAD_USER_INPUT",
    });
    expect((await app.login("alice")).user.id).toBe(id);
  });

  test("is not made of the names of its owner or of the service (row 8)", async () => {
    const owner = { username: "wilhelmina", email: "w.oranje@kasteel.example" };
    for (const password of [
      "wilhelmina-wilhelmina",
      "WilhelminaWilhelmina1!",
      "w.oranje-w.oranje-w.oranje",
      "oranje.oranje.oranje",
      "kasteel wilhelmina oranje",
      "latchkey latchkey",
      "Latchkey-Wilhelmina-1",
    ]) {
      expect([password, violationsOf(await register(password, { owner }))]).toEqual([
        password,
        [{ field: "input.password", rule: "guessable", message: GUESSABLE }],
      ]);
    }
    expect((await register("seven brown kettles of wilhelmina", { owner })).data).toBeTruthy();
  });
});
