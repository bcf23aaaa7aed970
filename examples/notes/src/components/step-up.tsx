import {
  createReauthenticationPrompt,
  type PendingReauthentication,
  useLatchkey,
  useReauthentication,
} from "@latchkey/client/react";
import { Action } from "./action.tsx";
import { CodeField, Field, Form, WRONG_CODE } from "./form.tsx";

/** Asks the user to prove who they are, before a change that could lock them out. */
export const prompt = createReauthenticationPrompt();

export function StepUp() {
  const pending = useReauthentication(prompt);
  if (!pending) return null;
  return (
    <dialog
      ref={(dialog) => {
        if (dialog && !dialog.open) dialog.showModal();
      }}
      aria-labelledby="step-up"
      onCancel={pending.cancel}
    >
      <h2 id="step-up">Confirm it's you</h2>
      <p className="quiet">You are about to change something important.</p>
      <Proof {...pending} />
    </dialog>
  );
}

function Proof({ methods, done, cancel }: PendingReauthentication) {
  const latchkey = useLatchkey();
  const buttons = (
    <>
      {methods.includes("PASSKEY") && (
        <Action
          action={async () => {
            await latchkey.reauthenticate("passkey");
            done();
          }}
        >
          Use a passkey
        </Action>
      )}
      <button type="button" onClick={cancel}>
        Cancel
      </button>
    </>
  );
  const method = methods.find((each) => each !== "PASSKEY");
  if (!method) return <div className="buttons">{buttons}</div>;
  return (
    <Form
      action={async (proof) => {
        await latchkey.reauthenticate(proof as { password: string } | { code: string });
        done();
      }}
      submit="Confirm"
      buttons={buttons}
      sentences={{ INVALID_CREDENTIALS: method === "TOTP" ? WRONG_CODE : "This is not your password." }}
    >
      {method === "TOTP" ? (
        <CodeField />
      ) : (
        <Field name="password" label="Password" type="password" autoComplete="current-password" autoFocus />
      )}
    </Form>
  );
}
