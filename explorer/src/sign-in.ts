import type { Latchkey, MfaMethod, ReauthenticationRequired, SignInStep } from "@latchkey/client";
import { create, find } from "./dom.js";
import { FormDialog } from "./form-dialog.js";

type Method = MfaMethod | "PASSWORD";
type TypedMethod = Exclude<Method, "PASSKEY">;

const FIELDS: Record<TypedMethod, { label: string } & Partial<HTMLInputElement>> = {
  TOTP: { label: "Code from your authenticator app", inputMode: "numeric", autocomplete: "one-time-code" },
  RECOVERY_CODE: { label: "Recovery code", autocomplete: "off" },
  PASSWORD: { label: "Password", type: "password", autocomplete: "current-password" },
};

const OFFERS: Record<Method, string> = {
  TOTP: "Use your authenticator app",
  RECOVERY_CODE: "Use a recovery code",
  PASSWORD: "Use your password",
  PASSKEY: "Use a passkey",
};

interface Question {
  title: string;
  reason: string;
  methods: readonly Method[];
  /** @throws LatchkeyError for a wrong proof */
  verify(method: Method, value: string): Promise<unknown>;
}

/** Browsers have passkeys only on pages that came over https, or from localhost. */
const HAS_PASSKEYS = "PublicKeyCredential" in globalThis;

/** The dialogs in which a user proves who they are. */
export class SignInDialogs {
  readonly #password = new FormDialog("#sign-in");
  readonly #proof = new FormDialog("#proof");

  constructor() {
    find("[data-method=PASSKEY]", this.#password.form).hidden = !HAS_PASSKEYS;
  }

  /** Signs in with a password and a second factor if the account has one, or with a passkey. @returns whether they did */
  async signIn(latchkey: Latchkey): Promise<boolean> {
    let step: SignInStep | undefined;
    await this.#password.open(async (data, method) => {
      step =
        method === "PASSKEY"
          ? await latchkey.signInWithPasskey()
          : await latchkey.signIn(String(data.get("username")), String(data.get("password")));
    });
    if (step?.step !== "second-factor") return step !== undefined;
    const { methods, verifyTotp, verifyRecoveryCode, verifyPasskey } = step;
    return this.#ask({
      title: "Second factor",
      reason: "The password is correct. This account has a second factor.",
      methods,
      verify(method, value) {
        if (method === "PASSKEY") return verifyPasskey();
        return method === "TOTP" ? verifyTotp(value) : verifyRecoveryCode(value);
      },
    });
  }

  /** Asks for what an operation requires that needs a recent authentication. @returns whether the user proved it */
  reauthenticate(latchkey: Latchkey, { methods }: ReauthenticationRequired): Promise<boolean> {
    return this.#ask({
      title: "Confirm it's you",
      reason: "This operation needs a recent authentication. It runs as soon as you have confirmed.",
      methods,
      verify(method, value) {
        if (method === "PASSKEY") return latchkey.reauthenticate("passkey");
        return latchkey.reauthenticate(method === "PASSWORD" ? { password: value } : { code: value });
      },
    });
  }

  #ask({ title, reason, methods, verify }: Question): Promise<boolean> {
    const { form } = this.#proof;
    find("h2", form).textContent = title;
    find(".reason", form).textContent = reason;
    const typed = methods.filter((method) => method !== "PASSKEY");
    let current: TypedMethod | undefined;

    const choose = (method: TypedMethod | undefined) => {
      current = method;
      find("label", form).hidden = method === undefined;
      find<HTMLButtonElement>(".primary", form).hidden = method === undefined;
      const input = find("input", form);
      input.disabled = method === undefined;
      if (method !== undefined) {
        const { label, ...properties } = FIELDS[method];
        find("label span", form).textContent = label;
        Object.assign(input, { type: "text", inputMode: "text", value: "" }, properties);
        input.focus();
      }
      const offered = HAS_PASSKEYS && methods.includes("PASSKEY") ? [...typed, "PASSKEY" as const] : typed;
      const others = offered.filter((each) => each !== method);
      find(".others", form).replaceChildren(...others.map(offer));
    };

    const offer = (method: Method): Node => {
      if (method === "PASSKEY") {
        const button = create("button", { formNoValidate: true }, OFFERS.PASSKEY);
        button.dataset["method"] = method;
        return button;
      }
      return create("button", { type: "button", onclick: () => choose(method) }, OFFERS[method]);
    };

    choose(typed[0]);
    return this.#proof.open(async (data, method) => {
      await verify((method as Method | undefined) ?? current ?? "PASSKEY", String(data.get("proof") ?? ""));
    });
  }
}
