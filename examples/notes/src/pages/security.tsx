import { useQuery } from "@apollo/client/react";
import { useState } from "react";
import { AccountTabs } from "../components/account-tabs.tsx";
import { Loaded } from "../components/loaded.tsx";
import { AuthenticatorApp } from "./security/authenticator-app.tsx";
import { MY_SECURITY } from "./security/my-security.ts";
import { Passkeys } from "./security/passkeys.tsx";
import { CodesLeft, RecoveryCodes } from "./security/recovery-codes.tsx";

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
