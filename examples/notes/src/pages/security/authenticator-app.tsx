import { useMutation } from "@apollo/client/react";
import { Action } from "../../components/action.tsx";
import { CodeField, Form, WRONG_CODE } from "../../components/form.tsx";
import { graphql } from "../../gql/index.ts";
import { type AddsFactor, CHANGES } from "./my-security.ts";

const START_TOTP_ENROLLMENT = graphql(`
  mutation StartTotpEnrollment {
    startTotpEnrollment {
      secret
      uri
      qrCode
    }
  }
`);

const CONFIRM_TOTP_ENROLLMENT = graphql(`
  mutation ConfirmTotpEnrollment($code: String!) {
    confirmTotpEnrollment(code: $code)
  }
`);

const DISABLE_TOTP = graphql(`
  mutation DisableTotp {
    disableTotp
  }
`);

export function AuthenticatorApp({ added, onCodes }: AddsFactor & { added: boolean }) {
  const [start, { data, reset }] = useMutation(START_TOTP_ENROLLMENT);
  const [confirm] = useMutation(CONFIRM_TOTP_ENROLLMENT, CHANGES);
  const [disable] = useMutation(DISABLE_TOTP, CHANGES);
  return (
    <div className="card">
      <h2>Authenticator app {added && <span className="badge">On</span>}</h2>
      <p className="quiet">Six digits from an app on your phone, each time you sign in with your password.</p>
      {data ? (
        <Form
          action={async ({ code }) => {
            const result = await confirm({ variables: { code } });
            onCodes(result.data!.confirmTotpEnrollment);
            reset();
          }}
          submit="Turn on"
          sentences={{ INVALID_CREDENTIALS: WRONG_CODE }}
          buttons={
            <button type="button" onClick={reset}>
              Cancel
            </button>
          }
        >
          <div className="enrollment">
            <img src={data.startTotpEnrollment.qrCode} alt="QR code for your authenticator app" />
            <p>
              Scan this with your app, or <a href={data.startTotpEnrollment.uri}>open it on this device</a>,
              or type the secret: <code className="secret">{data.startTotpEnrollment.secret}</code>
            </p>
          </div>
          <CodeField />
        </Form>
      ) : (
        <div className="buttons">
          {added ? (
            <Action action={() => disable()}>Turn off</Action>
          ) : (
            <Action action={() => start()}>Add an app</Action>
          )}
        </div>
      )}
    </div>
  );
}
