import { useLatchkey, useSession } from "@latchkey/client/react";
import { type ComponentType, useEffect, useState } from "react";
import { Action } from "./components/action.tsx";
import { Alert } from "./components/alert.tsx";
import { AuditLog } from "./pages/audit-log.tsx";
import { AcceptInvitation, ConfirmEmailChange, ResetPassword, VerifyEmail } from "./pages/email-links.tsx";
import { ForgottenPassword } from "./pages/forgotten-password.tsx";
import { Items } from "./pages/items.tsx";
import { Notes } from "./pages/notes.tsx";
import { Profile } from "./pages/profile.tsx";
import { Security } from "./pages/security.tsx";
import { Sessions } from "./pages/sessions.tsx";
import { SignIn } from "./pages/sign-in.tsx";
import { CheckEmail, SignUp } from "./pages/sign-up.tsx";
import { Users } from "./pages/users.tsx";
import { type Problem, problemOf } from "./problems.ts";
import { Link, usePath } from "./router.tsx";

type Pages = Record<string, ComponentType | undefined>;

/** For everybody. The last four are where the links in Latchkey's emails lead. */
const PUBLIC: Pages = {
  "/sign-up": SignUp,
  "/check-email": CheckEmail,
  "/forgotten-password": ForgottenPassword,
  "/verify-email": VerifyEmail,
  "/reset-password": ResetPassword,
  "/accept-invitation": AcceptInvitation,
  "/confirm-email-change": ConfirmEmailChange,
};

const SIGNED_IN: Pages = {
  "/": Items,
  "/notes": Notes,
  "/profile": Profile,
  "/security": Security,
  "/sessions": Sessions,
  "/users": Users,
  "/audit-log": AuditLog,
};

export function App() {
  const Public = PUBLIC[usePath()];
  const session = useSession();
  return (
    <>
      <Header />
      <main>{Public ? <Public /> : <Private status={session.status} />}</main>
    </>
  );
}

function Private({ status }: { status: "loading" | "signed-out" | "signed-in" }) {
  const Page = SIGNED_IN[usePath()];
  if (status === "loading") return <Loading />;
  if (!Page) return <NotFound />;
  // At the path of the page, which appears as soon as the user has signed in.
  return status === "signed-out" ? <SignIn /> : <Page />;
}

function Header() {
  const latchkey = useLatchkey();
  const session = useSession();
  const user = session.status === "signed-in" ? session.user : undefined;
  // Kept here, because the button is gone as soon as the user is signed out on this page.
  const [problem, setProblem] = useState<Problem>();
  const signOut = () =>
    latchkey.signOut().then(
      () => setProblem(undefined),
      (error) => setProblem(problemOf(error)),
    );
  return (
    <header>
      <Link to="/" className="brand">
        <img src="/icon.svg" alt="" /> Notebook
      </Link>
      {user && (
        <>
          <nav aria-label="Main">
            <Link to="/">Items</Link>
            <Link to="/notes">Notes</Link>
            {user.roles.includes("ADMIN") && (
              <>
                <Link to="/users">Users</Link>
                <Link to="/audit-log">Audit log</Link>
              </>
            )}
          </nav>
          <div className="account">
            <Link to="/profile" className="user">
              {user.fullName ?? user.username}
            </Link>
            <Action action={signOut}>Sign out</Action>
          </div>
        </>
      )}
      {!user && problem && (
        <>
          <Alert>
            You are not signed out yet: whoever opens this page again is signed in. {problem.sentence}
          </Alert>
          <Action action={signOut}>Try again</Action>
        </>
      )}
    </header>
  );
}

/** Until it is known whether somebody is signed in. */
function Loading() {
  const latchkey = useLatchkey();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    latchkey.accessToken().catch((error) => setProblem(problemOf(error)));
  }, [latchkey]);
  return problem ? <Alert>{problem.sentence}</Alert> : <p className="quiet">One moment…</p>;
}

function NotFound() {
  return (
    <section className="narrow">
      <title>Not found · Notebook</title>
      <h1>There is no such page</h1>
      <Link to="/">Back to your items</Link>
    </section>
  );
}
