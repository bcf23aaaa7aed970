import { useMutation } from "@apollo/client/react";
import { useLatchkey } from "@latchkey/client/react";
import { type ReactNode, useState } from "react";
import { Alert } from "../components/alert.tsx";
import { Form } from "../components/form.tsx";
import { graphql } from "../gql/index.ts";
import { Link, useParameter } from "../router.tsx";
import { NewPassword } from "./sign-up.tsx";

// Where the links in emails lead. Each page waits for the user's click: mail scanners open links too.

const VERIFY_EMAIL = graphql(`
  mutation VerifyEmail($token: String!) {
    verifyEmail(token: $token)
  }
`);

const CONFIRM_EMAIL_CHANGE = graphql(`
  mutation ConfirmEmailChange($token: String!) {
    confirmEmailChange(token: $token)
  }
`);

const RESET_PASSWORD = graphql(`
  mutation ResetPassword($token: String!, $newPassword: String!) {
    resetPassword(token: $token, newPassword: $newPassword)
  }
`);

const ACCEPT_INVITATION = graphql(`
  mutation AcceptInvitation($token: String!, $password: String!) {
    acceptInvitation(token: $token, password: $password)
  }
`);

export function VerifyEmail() {
  const [verify] = useMutation(VERIFY_EMAIL);
  return (
    <EmailLink
      title="Confirm your email address"
      submit="Confirm"
      done="Your address is confirmed. You can sign in now."
      again="/check-email"
      action={(token) => verify({ variables: { token } })}
    >
      <p className="quiet">One click, and your account is ready.</p>
    </EmailLink>
  );
}

export function ConfirmEmailChange() {
  const latchkey = useLatchkey();
  const [confirm] = useMutation(CONFIRM_EMAIL_CHANGE);
  return (
    <EmailLink
      title="Confirm your new email address"
      submit="Confirm"
      done="Your account has the new address now."
      action={async (token) => {
        await confirm({ variables: { token } });
        // The session knows the earlier address. If this fails, the new one is confirmed all the same.
        await latchkey.refresh().catch(() => {});
      }}
    >
      <p className="quiet">From then on we write to this address.</p>
    </EmailLink>
  );
}

export function ResetPassword() {
  const [reset] = useMutation(RESET_PASSWORD);
  return (
    <EmailLink
      title="Choose a new password"
      submit="Set password"
      done="You have a new password, and were signed out everywhere."
      again="/forgotten-password"
      action={(token, { newPassword }) => reset({ variables: { token, newPassword } })}
    >
      <NewPassword name="newPassword" label="New password" />
    </EmailLink>
  );
}

export function AcceptInvitation() {
  const [accept] = useMutation(ACCEPT_INVITATION);
  return (
    <EmailLink
      title="Choose a password"
      submit="Set password"
      done="Your account is ready. You can sign in now."
      action={(token, { password }) => accept({ variables: { token, password } })}
    >
      <NewPassword name="password" label="Password" />
    </EmailLink>
  );
}

interface EmailLinkProps {
  title: string;
  submit: string;
  /** What the user reads afterwards. */
  done: string;
  /** The page that sends another email. */
  again?: string;
  action: (token: string, values: Record<string, string>) => Promise<unknown>;
  children: ReactNode;
}

function EmailLink({ title, submit, done, again, action, children }: EmailLinkProps) {
  const token = useParameter("token");
  const [finished, setFinished] = useState(false);
  return (
    <section className="narrow">
      <title>{`${title} · Notebook`}</title>
      <h1>{title}</h1>
      {finished ? (
        <>
          <Alert good>{done}</Alert>
          <p>
            <Link to="/" className="button primary">
              Continue
            </Link>
          </p>
        </>
      ) : (
        <>
          <Form
            action={async (values) => {
              await action(token, values);
              setFinished(true);
            }}
            submit={submit}
            sentences={{ INVALID_TOKEN: "This link has expired, or was used already. Ask for a new one." }}
          >
            {children}
          </Form>
          {again && (
            <p className="links">
              <Link to={again}>Send me a new link</Link>
            </p>
          )}
        </>
      )}
    </section>
  );
}
