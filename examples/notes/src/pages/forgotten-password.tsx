import { useMutation } from "@apollo/client/react";
import { useState } from "react";
import { Alert } from "../components/alert.tsx";
import { Field, Form } from "../components/form.tsx";
import { graphql } from "../gql/index.ts";
import { Link } from "../router.tsx";
import { EmailsPage } from "./sign-up.tsx";

const REQUEST_PASSWORD_RESET = graphql(`
  mutation RequestPasswordReset($email: String!) {
    requestPasswordReset(email: $email)
  }
`);

export function ForgottenPassword() {
  const [request] = useMutation(REQUEST_PASSWORD_RESET);
  const [sentTo, setSentTo] = useState<string>();
  return (
    <section className="narrow">
      <title>Forgotten password · Notebook</title>
      <h1>Forgotten your password?</h1>
      {sentTo ? (
        <Alert good>
          If an account has the address <strong>{sentTo}</strong>, we have sent a link to choose a new
          password. It works for 10 minutes. <EmailsPage />
        </Alert>
      ) : (
        <p className="quiet">We send a link to choose a new one to your email address.</p>
      )}
      <Form
        action={async ({ email }) => {
          await request({ variables: { email } });
          setSentTo(email);
        }}
        submit={sentTo ? "Send it again" : "Send me a link"}
      >
        <Field name="email" label="Email address" type="email" autoComplete="email" autoFocus />
      </Form>
      <p className="links">
        <Link to="/">Back to sign in</Link>
      </p>
    </section>
  );
}
