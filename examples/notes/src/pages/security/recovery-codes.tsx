import { useMutation } from "@apollo/client/react";
import { Action } from "../../components/action.tsx";
import { graphql } from "../../gql/index.ts";
import { type AddsFactor, CHANGES } from "./my-security.ts";

const REGENERATE_RECOVERY_CODES = graphql(`
  mutation RegenerateRecoveryCodes {
    regenerateRecoveryCodes
  }
`);

export function CodesLeft({ left, onCodes }: AddsFactor & { left: number }) {
  const [regenerate] = useMutation(REGENERATE_RECOVERY_CODES, CHANGES);
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

/** The codes themselves, which are shown once. */
export function RecoveryCodes({ codes, onKept }: { codes: string[]; onKept(): void }) {
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
        <Action
          action={() => navigator.clipboard.writeText(codes.join("\n"))}
          sentences={{ DECLINED: "Your browser does not allow it. Write them down." }}
        >
          Copy
        </Action>
      </div>
    </div>
  );
}
