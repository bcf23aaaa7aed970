import { useMutation, useQuery } from "@apollo/client/react";
import { createPasskey } from "@latchkey/client";
import { useState } from "react";
import { AccountTabs } from "../components/account-tabs.tsx";
import { Action } from "../components/action.tsx";
import { CodeField, Field, Form, WRONG_CODE } from "../components/form.tsx";
import { Loaded } from "../components/loaded.tsx";
import { Time } from "../components/time.tsx";
import type { MySecurityQuery } from "../gql/graphql.ts";
import { graphql } from "../gql/index.ts";

const MY_SECURITY = graphql(`
  query MySecurity {
    myMfa {
      enabled
      totp
      recoveryCodesLeft
    }
    myPasskeys {
      id
      name
      createdAt
      lastUsedAt
    }
  }
`);

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

const START_PASSKEY_REGISTRATION = graphql(`
  mutation StartPasskeyRegistration {
    startPasskeyRegistration {
      publicKey
    }
  }
`);

const REGISTER_PASSKEY = graphql(`
  mutation RegisterPasskey($name: String!, $credential: JSONObject!) {
    registerPasskey(name: $name, credential: $credential) {
      recoveryCodes
    }
  }
`);

const DELETE_PASSKEY = graphql(`
  mutation DeletePasskey($id: ID!) {
    deletePasskey(id: $id)
  }
`);

const REGENERATE_RECOVERY_CODES = graphql(`
  mutation RegenerateRecoveryCodes {
    regenerateRecoveryCodes
  }
`);

const CHANGE = { refetchQueries: [MY_SECURITY], awaitRefetchQueries: true };

export function Security() {
  const query = useQuery(MY_SECURITY);
  // They come once: with the first factor, or in place of the old ones.
  const [codes, setCodes] = useState<string[]>([]);
  return (
    <section>
      <title>Security · Notebook</title>
      <h1>Your account</h1>
      <AccountTabs />
      {codes.length > 0 && <RecoveryCodes codes={codes} onKept={() => setCodes([])} />}
      <Loaded query={query}>
        {({ myMfa, myPasskeys }) => (
          <>
            <AuthenticatorApp added={myMfa.totp} onCodes={setCodes} />
            <Passkeys passkeys={myPasskeys} onCodes={setCodes} />
            {myMfa.enabled && <CodesLeft left={myMfa.recoveryCodesLeft} onCodes={setCodes} />}
          </>
        )}
      </Loaded>
    </section>
  );
}

interface AddProps {
  onCodes(codes: string[]): void;
}

function AuthenticatorApp({ added, onCodes }: AddProps & { added: boolean }) {
  const [start, { data, reset }] = useMutation(START_TOTP_ENROLLMENT);
  const [confirm] = useMutation(CONFIRM_TOTP_ENROLLMENT, CHANGE);
  const [disable] = useMutation(DISABLE_TOTP, CHANGE);
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

function Passkeys({ passkeys, onCodes }: AddProps & { passkeys: MySecurityQuery["myPasskeys"] }) {
  const [start] = useMutation(START_PASSKEY_REGISTRATION);
  const [register] = useMutation(REGISTER_PASSKEY, CHANGE);
  const [deletePasskey] = useMutation(DELETE_PASSKEY, CHANGE);
  return (
    <Form
      className="card"
      action={async ({ name }) => {
        const { data } = await start();
        const credential = await createPasskey(data!.startPasskeyRegistration.publicKey);
        const result = await register({ variables: { name, credential } });
        onCodes(result.data!.registerPasskey.recoveryCodes);
      }}
      submit="Add a passkey"
      reset
      sentences={{ CONFLICT: "This device has a passkey for your account already." }}
    >
      <h2>Passkeys</h2>
      <p className="quiet">
        Sign in with your fingerprint, your face or your screen lock: no password needed.
      </p>
      {passkeys.length > 0 && (
        <ul className="list">
          {passkeys.map(({ id, name, createdAt, lastUsedAt }) => (
            <li key={id} className="row">
              <span>
                <strong>{name}</strong>{" "}
                <span className="quiet">
                  added <Time at={createdAt} />
                  {lastUsedAt && (
                    <>
                      , last used <Time at={lastUsedAt} />
                    </>
                  )}
                </span>
              </span>
              <Action action={() => deletePasskey({ variables: { id } })} label={`Remove ${name}`}>
                Remove
              </Action>
            </li>
          ))}
        </ul>
      )}
      <Field name="name" label="Name of this device" placeholder="My phone" maxLength={64} />
    </Form>
  );
}

function CodesLeft({ left, onCodes }: AddProps & { left: number }) {
  const [regenerate] = useMutation(REGENERATE_RECOVERY_CODES, CHANGE);
  return (
    <div className="card">
      <h2>Recovery codes</h2>
      <p className="quiet">
        For when you have lost your phone. {left === 1 ? "One is" : `${left} are`} left.
      </p>
      <div className="buttons">
        <Action
          action={async () => {
            const { data } = await regenerate();
            onCodes(data!.regenerateRecoveryCodes);
          }}
        >
          Replace them
        </Action>
      </div>
    </div>
  );
}

function RecoveryCodes({ codes, onKept }: { codes: string[]; onKept(): void }) {
  return (
    <div className="card important" role="alert">
      <h2>Keep your recovery codes</h2>
      <p>They are shown only now. Each signs you in once, in place of your phone.</p>
      <ul className="codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <div className="buttons">
        <button type="button" className="primary" onClick={onKept}>
          I have kept them
        </button>
        <Action action={() => navigator.clipboard.writeText(codes.join("\n"))}>Copy</Action>
      </div>
    </div>
  );
}
