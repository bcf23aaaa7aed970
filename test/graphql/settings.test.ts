import { describe, expect, test } from "@jest/globals";
import { closingAfterEach } from "../support/closing.js";
import { SETTINGS } from "../support/operations.js";

const start = closingAfterEach();
const settingsWith = async (env: NodeJS.ProcessEnv) => {
  const app = await start({ env });
  return (await app.send(SETTINGS, {})).data?.settings;
};
const PRODUCTION = { NODE_ENV: "production", PUBLIC_URL: "https://auth.example.com" };

describe("settings", () => {
  test("in development, without any setting", async () => {
    expect(await settingsWith({})).toEqual({
      registrationOpen: true,
      passwordMinLength: 15,
      passwordMaxBytes: 72,
      mfaMethods: ["TOTP", "PASSKEY", "RECOVERY_CODE"],
      mfaRequiredFor: "NONE",
      sendsEmail: true,
    });
  });

  test("in production, with as few settings as possible", async () => {
    expect(await settingsWith(PRODUCTION)).toMatchObject({ registrationOpen: false, sendsEmail: false });
  });

  test("with other settings", async () => {
    const env = {
      ...PRODUCTION,
      REGISTRATION: "open",
      SMTP_URL: "smtp://localhost:25",
      EMAIL_FROM: "no-reply@example.com",
      PASSWORD_MIN_LENGTH: "12",
      // Passkeys need a secure page.
      APP_URL: "http://app.example.com",
      REQUIRE_MFA: "all",
    };
    expect(await settingsWith(env)).toEqual({
      registrationOpen: true,
      passwordMinLength: 12,
      passwordMaxBytes: 72,
      mfaMethods: ["TOTP", "RECOVERY_CODE"],
      mfaRequiredFor: "ALL",
      sendsEmail: true,
    });
    expect(await settingsWith({ REQUIRE_MFA: "admins" })).toMatchObject({ mfaRequiredFor: "ADMINS" });
  });

  test("are there without the database", async () => {
    const app = await start();
    await app.latchkey.db.destroy();
    expect((await app.send(SETTINGS, {})).data?.settings.passwordMinLength).toBe(15);
  });
});
