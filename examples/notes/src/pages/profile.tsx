import { useMutation, useQuery } from "@apollo/client/react";
import { useLatchkey } from "@latchkey/client/react";
import { useState } from "react";
import { AccountTabs } from "../components/account-tabs.tsx";
import { Alert } from "../components/alert.tsx";
import { Field, Form } from "../components/form.tsx";
import { Loaded } from "../components/loaded.tsx";
import { graphql } from "../gql/index.ts";
import { EmailsPage, NewPassword } from "./sign-up.tsx";

const ME = graphql(`
  query Me {
    me {
      id
      username
      email
      fullName
    }
  }
`);

const UPDATE_PROFILE = graphql(`
  mutation UpdateProfile($input: UpdateProfileInput!) {
    updateProfile(input: $input) {
      id
      fullName
    }
  }
`);

const REQUEST_EMAIL_CHANGE = graphql(`
  mutation RequestEmailChange($newEmail: String!) {
    requestEmailChange(newEmail: $newEmail)
  }
`);

export function Profile() {
  const query = useQuery(ME);
  return (
    <section>
      <title>Profile · Notebook</title>
      <h1>Your account</h1>
      <AccountTabs />
      <Loaded query={query}>
        {({ me }) => (
          <>
            <Name {...me} />
            <Email email={me.email} />
          </>
        )}
      </Loaded>
      <ChangePassword />
    </section>
  );
}

function Name({ username, fullName }: { username: string; fullName?: string | null }) {
  const latchkey = useLatchkey();
  const [updateProfile, { data }] = useMutation(UPDATE_PROFILE);
  return (
    <Form
      className="card"
      action={async (values) => {
        await updateProfile({ variables: { input: { fullName: values.fullName || null } } });
        // The header shows the user of the session. If this fails, the name is saved all the same.
        await latchkey.refresh().catch(() => {});
      }}
      submit="Save"
    >
      <h2>Profile</h2>
      <p className="quiet">Your username is {username}.</p>
      <Field
        name="fullName"
        label="Your name"
        autoComplete="name"
        defaultValue={fullName ?? ""}
        required={false}
      />
      {data && <Alert good>Saved.</Alert>}
    </Form>
  );
}

function Email({ email }: { email: string }) {
  const [requestEmailChange] = useMutation(REQUEST_EMAIL_CHANGE);
  const [sentTo, setSentTo] = useState<string>();
  return (
    <Form
      className="card"
      action={async ({ newEmail }) => {
        await requestEmailChange({ variables: { newEmail } });
        setSentTo(newEmail);
      }}
      submit="Send me a link"
      reset
    >
      <h2>Email address</h2>
      <p className="quiet">We write to {email}.</p>
      <Field name="newEmail" label="New email address" type="email" autoComplete="email" />
      {sentTo && (
        <Alert good>
          Open the link in the email to <strong>{sentTo}</strong> to confirm it. <EmailsPage />
        </Alert>
      )}
    </Form>
  );
}

function ChangePassword() {
  const latchkey = useLatchkey();
  const [changed, setChanged] = useState(false);
  return (
    <Form
      className="card"
      action={async ({ currentPassword, newPassword }) => {
        await latchkey.changePassword(currentPassword, newPassword);
        setChanged(true);
      }}
      submit="Change password"
      reset
      sentences={{ INVALID_CREDENTIALS: "This is not your current password." }}
    >
      <h2>Password</h2>
      <Field
        name="currentPassword"
        label="Current password"
        type="password"
        autoComplete="current-password"
      />
      <NewPassword name="newPassword" label="New password" />
      {changed && <Alert good>Your password is changed. Your other devices were signed out.</Alert>}
    </Form>
  );
}
