import { useMutation } from "@apollo/client/react";
import { useState } from "react";
import { Alert } from "../components/alert.tsx";
import { Field, Form } from "../components/form.tsx";
import { EMAILS_URL } from "../config.ts";
import { graphql } from "../gql/index.ts";
import { Link } from "../router.tsx";
import { useSettings } from "../settings.ts";

const REGISTER = graphql(`
  mutation Register($input: RegisterInput!) {
    register(input: $input) {
      email
    }
  }
`);

const REQUEST_EMAIL_VERIFICATION = graphql(`
  mutation RequestEmailVerification($email: String!) {
    requestEmailVerification(email: $email)
  }
`);

export function SignUp() {
  const [register, { data }] = useMutation(REGISTER);
  if (data) return <CheckEmail email={data.register.email} />;
  return (
    <section className="narrow">
      <title>Create an account · Notebook</title>
      <h1>Create an account</h1>
      <Form
        action={({ username, email, fullName, password }) =>
          register({ variables: { input: { username, email, fullName: fullName || null, password } } })
        }
        submit="Create account"
        sentences={{ CONFLICT: "This username is taken.", FORBIDDEN: "Accounts are by invitation only." }}
      >
        <Field
          name="username"
          label="Username"
          hint="3 to 32 letters, digits, dots, underscores and hyphens."
          autoComplete="username"
          autoCapitalize="none"
          autoFocus
        />
        <Field name="email" label="Email address" type="email" autoComplete="email" />
        <Field name="fullName" label="Your name (optional)" autoComplete="name" required={false} />
        <NewPassword name="password" label="Password" />
      </Form>
      <p className="links">
        Have an account? <Link to="/">Sign in</Link>
      </p>
    </section>
  );
}

/** A new password. The server has the last word on how good it is. */
export function NewPassword({ name, label }: { name: string; label: string }) {
  const least = useSettings()?.passwordMinLength;
  return (
    <Field
      name={name}
      label={label}
      hint={least ? `At least ${least} characters: a few unrelated words are easiest.` : undefined}
      type="password"
      autoComplete="new-password"
    />
  );
}

/** After signing up, and for those who have lost the email. */
export function CheckEmail({ email }: { email?: string }) {
  const [sendAgain] = useMutation(REQUEST_EMAIL_VERIFICATION);
  const [sentTo, setSentTo] = useState(email);
  return (
    <section className="narrow">
      <title>Check your email · Notebook</title>
      <h1>{sentTo ? "Check your email" : "Confirm your email address"}</h1>
      {sentTo && (
        <Alert good>
          We have sent an email to <strong>{sentTo}</strong>. Open the link in it to confirm the address,
          within 24 hours. <EmailsPage />
        </Alert>
      )}
      <Form
        action={async (values) => {
          await sendAgain({ variables: { email: values.email } });
          setSentTo(values.email);
        }}
        submit={sentTo ? "Send it again" : "Send me the link"}
      >
        <Field name="email" label="Email address" type="email" autoComplete="email" defaultValue={sentTo} />
      </Form>
      <p className="links">
        <Link to="/">Sign in</Link>
      </p>
    </section>
  );
}

/** In development emails are not sent but shown. */
export function EmailsPage() {
  if (!EMAILS_URL) return null;
  return (
    <a href={EMAILS_URL} target="_blank" rel="noreferrer">
      Read it here.
    </a>
  );
}
