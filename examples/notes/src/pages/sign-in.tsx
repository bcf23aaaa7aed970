import type { SecondFactorRequired, SignedOutReason } from "@latchkey/client";
import { useLatchkey, useSession } from "@latchkey/client/react";
import { useState } from "react";
import { Action } from "../components/action.tsx";
import { Alert } from "../components/alert.tsx";
import { CodeField, Field, Form, WRONG_CODE } from "../components/form.tsx";
import { Link } from "../router.tsx";
import { useSettings } from "../settings.ts";

const REASONS: Record<SignedOutReason, string> = {
  SIGNED_OUT: "You have signed out.",
  ACCOUNT_DISABLED: "Your account has been disabled. Ask an administrator.",
  SESSION_REVOKED: "You were signed out from another device, or by a new password.",
  SESSION_ENDED: "Your session has ended. Sign in again.",
};

export function SignIn() {
  const [factor, setFactor] = useState<SecondFactorRequired>();
  return (
    <section className="narrow">
      <title>Sign in · Notebook</title>
      {factor ? (
        <SecondFactor factor={factor} restart={() => setFactor(undefined)} />
      ) : (
        <FirstFactor onSecond={setFactor} />
      )}
    </section>
  );
}

function FirstFactor({ onSecond }: { onSecond(factor: SecondFactorRequired): void }) {
  const latchkey = useLatchkey();
  const session = useSession();
  const settings = useSettings();
  const reason = session.status === "signed-out" && session.reason;
  return (
    <>
      <h1>Sign in</h1>
      {reason && <Alert good={reason === "SIGNED_OUT"}>{REASONS[reason]}</Alert>}
      <Form
        action={async ({ username, password }) => {
          const result = await latchkey.signIn(username, password);
          if (result.step === "second-factor") onSecond(result);
        }}
        submit="Sign in"
      >
        <Field name="username" label="Username or email address" autoComplete="username" autoFocus />
        <Field name="password" label="Password" type="password" autoComplete="current-password" />
      </Form>
      {settings?.mfaMethods.includes("PASSKEY") && (
        <>
          <p className="or">or</p>
          <Action
            action={() => latchkey.signInWithPasskey()}
            sentences={{ INVALID_CREDENTIALS: "This passkey does not belong to an account here." }}
            className="wide"
          >
            Sign in with a passkey
          </Action>
        </>
      )}
      <ul className="links">
        {settings?.sendsEmail && (
          <li>
            <Link to="/forgotten-password">Forgotten your password?</Link>
          </li>
        )}
        {settings?.registrationOpen && (
          <>
            <li>
              <Link to="/check-email">No email to confirm your address?</Link>
            </li>
            <li>
              New here? <Link to="/sign-up">Create an account</Link>
            </li>
          </>
        )}
      </ul>
    </>
  );
}

/** The second step, for accounts with an authenticator app or passkeys. */
function SecondFactor({ factor, restart }: { factor: SecondFactorRequired; restart(): void }) {
  const { methods } = factor;
  const [lost, setLost] = useState(!methods.includes("TOTP") && !methods.includes("PASSKEY"));
  const sentences = { INVALID_TOKEN: "This took too long. Start again." };
  return (
    <>
      <h1>Confirm it's you</h1>
      {lost ? (
        <Form
          key="recovery"
          action={({ code }) => factor.verifyRecoveryCode(code)}
          submit="Sign in"
          sentences={{ ...sentences, INVALID_CREDENTIALS: "This code is wrong, or was used already." }}
        >
          <Field
            name="code"
            label="Recovery code"
            hint="One of the ten codes you received when you added the second step. Each works once."
            autoComplete="off"
            autoFocus
          />
        </Form>
      ) : (
        <>
          {methods.includes("TOTP") && (
            <Form
              key="totp"
              action={({ code }) => factor.verifyTotp(code)}
              submit="Sign in"
              sentences={{ ...sentences, INVALID_CREDENTIALS: WRONG_CODE }}
            >
              <CodeField />
            </Form>
          )}
          {methods.includes("PASSKEY") && (
            <Action action={factor.verifyPasskey} sentences={sentences} className="wide">
              Use a passkey
            </Action>
          )}
        </>
      )}
      <div className="links">
        {methods.includes("RECOVERY_CODE") && !lost && (
          <button type="button" className="link" onClick={() => setLost(true)}>
            Use a recovery code
          </button>
        )}
        <button type="button" className="link" onClick={restart}>
          Start again
        </button>
      </div>
    </>
  );
}
