import { createLatchkey, type Latchkey, type SessionState } from "@latchkey/client";
import { showAccount } from "./account.js";
import { find } from "./dom.js";
import { type Answer, createFetcher } from "./fetcher.js";
import { GraphiQL } from "./graphiql.js";
import { sentenceFor, withDuration } from "./messages.js";
import { type Notice, showNotice } from "./notice.js";
import { operationsPanel } from "./operations-panel.js";
import type { OperationGroup } from "./prepared-operation.js";
import { SignInDialogs } from "./sign-in.js";

/** The prepared operations, which `build.ts` puts in their place. */
declare const OPERATIONS: OperationGroup[];

const URL_OF_API = new URL("graphql", document.baseURI).href;

const dialogs = new SignInDialogs();
const latchkey: Latchkey = createLatchkey({
  url: URL_OF_API,
  reauthenticate: (required) => dialogs.reauthenticate(latchkey, required),
});
const signIn = () => dialogs.signIn(latchkey);
let graphiql: GraphiQL | undefined;

showAccount(latchkey, { signIn });
latchkey.subscribe((state) => showNotice(noticeOf(state)));

const prepared = OPERATIONS.flatMap(({ operations }) => operations);
const me = prepared.find(({ name }) => name === "Me")!;
const query = new URLSearchParams(location.search).get("query");
// It may hold a token: not to be kept in the address bar and the history.
if (query !== null) history.replaceState(null, "", location.pathname);

const main = find("main");
graphiql = await GraphiQL.show(main, {
  fetcher: createFetcher(latchkey, { url: URL_OF_API, onAnswer: (answer) => showNotice(noticeFor(answer)) }),
  first: query === null ? { query: me.document, variables: me.variables } : { query, variables: "" },
  panel: {
    title: "Operations",
    element: operationsPanel(OPERATIONS, ({ document, variables }) =>
      graphiql?.open({ query: document, variables }),
    ),
  },
}).catch((error) => {
  main.textContent = "GraphiQL could not be loaded. Load the page again.";
  throw error;
});

async function signInAndRun(): Promise<void> {
  if (await signIn()) graphiql?.run();
}

/** What the user can do about an answer; undefined when it says all there is to say. */
function noticeFor({ errors: [error] = [] }: Answer): Notice | undefined {
  switch (error?.extensions?.["code"]) {
    case "UNAUTHENTICATED":
      return {
        text: noticeOf(latchkey.state)?.text ?? "Sign in to run this operation.",
        action: { label: "Sign in and run", run: () => void signInAndRun() },
      };
    case "REAUTHENTICATION_REQUIRED":
      return {
        text: "This operation needs a recent authentication.",
        action: { label: "Confirm and run", run: () => graphiql?.run() },
      };
    case "RATE_LIMITED":
    case "OVERLOADED":
    case "SERVICE_UNAVAILABLE":
      return { text: withDuration(error!.message, error!.extensions!) };
    default:
      return undefined;
  }
}

function noticeOf(state: SessionState): Notice | undefined {
  if (state.status === "loading" && state.error)
    return { text: `The session could not be read: ${sentenceFor(state.error)}` };
  if (state.status !== "signed-out" || state.reason === undefined || state.reason === "SIGNED_OUT")
    return undefined;
  const text =
    state.reason === "ACCOUNT_DISABLED"
      ? "You are signed out: this account has been disabled."
      : "You are signed out: your session has ended.";
  return { text, action: { label: "Sign in", run: () => void signIn() } };
}
