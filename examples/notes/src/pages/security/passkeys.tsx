import { useMutation } from "@apollo/client/react";
import { createPasskey } from "@latchkey/client";
import { Action } from "../../components/action.tsx";
import { Field, Form } from "../../components/form.tsx";
import { Time } from "../../components/time.tsx";
import type { MySecurityQuery } from "../../gql/graphql.ts";
import { graphql } from "../../gql/index.ts";
import { type AddsFactor, CHANGES } from "./my-security.ts";

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

export function Passkeys({ passkeys, onCodes }: AddsFactor & { passkeys: MySecurityQuery["myPasskeys"] }) {
  const [start] = useMutation(START_PASSKEY_REGISTRATION);
  const [register] = useMutation(REGISTER_PASSKEY, CHANGES);
  const [deletePasskey] = useMutation(DELETE_PASSKEY, CHANGES);
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
