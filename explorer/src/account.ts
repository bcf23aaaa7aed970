import type { Latchkey, SessionState } from "@latchkey/client";
import { create, find } from "./dom.js";
import { sentenceFor } from "./messages.js";
import { showNotice } from "./notice.js";

/** Shows in the header who is signed in and until when, and signs them out. */
export function showAccount(latchkey: Latchkey, { signIn }: { signIn: () => void }): void {
  const account = find("#account");
  find("#open-sign-in").addEventListener("click", signIn);
  async function signOut(): Promise<void> {
    try {
      await latchkey.signOut();
    } catch (error) {
      showNotice({
        text: `Your session has not ended: when you load the page again, you are signed in. ${sentenceFor(error)}`,
        action: { label: "Try again", run: () => void signOut() },
      });
    }
  }
  find("#sign-out").addEventListener("click", () => {
    account.hidePopover();
    void signOut();
  });
  const copy = find("#copy-token");
  const label = copy.textContent;
  copy.hidden = !isSecureContext;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText((await latchkey.accessToken()) ?? "");
    copy.textContent = "Copied";
  });
  account.addEventListener("toggle", () => {
    copy.textContent = label;
  });

  let renewal: number | undefined;
  latchkey.subscribe((state) => {
    show(state);
    clearTimeout(renewal);
    // Otherwise it would be renewed by the next operation, and the page would show a time that has passed.
    if (state.status === "signed-in")
      renewal = setTimeout(() => void latchkey.accessToken().catch(() => {}), state.expiresAt - Date.now());
  });
}

function show(state: SessionState): void {
  find("#open-sign-in").hidden = state.status !== "signed-out";
  find("#open-account").hidden = state.status !== "signed-in";
  if (state.status !== "signed-in") {
    find("#account").hidePopover();
    return;
  }
  const { username, email, emailVerified, fullName, roles, mfaEnabled } = state.user;
  const until = new Date(state.expiresAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  find("#open-account b").textContent = username;
  find("#open-account span").textContent = `until ${until}`;
  const facts = {
    Username: username,
    Name: fullName ?? "",
    Email: emailVerified ? email : `${email} (not verified)`,
    Roles: roles.join(", "),
    "Second factor": mfaEnabled ? "yes" : "no",
  };
  find("#account dl").replaceChildren(
    ...Object.entries(facts)
      .filter(([, value]) => value !== "")
      .flatMap(([name, value]) => [create("dt", {}, name), create("dd", {}, value)]),
  );
  find("#account p").textContent = `The access token is valid until ${until}. This page then renews it.`;
}
