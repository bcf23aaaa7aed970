import { type ReactNode, useState, useTransition } from "react";
import { type Problem, problemOf, type Sentences } from "../problems.ts";
import { Alert } from "./alert.tsx";

interface ActionProps {
  action: () => Promise<unknown>;
  sentences?: Sentences;
  className?: string;
  /** What a screen reader reads, where the text alone does not say what the button is for. */
  label?: string;
  children: ReactNode;
}

/** A button that waits for its action, and says what went wrong. */
export function Action({ action, sentences, className, label, children }: ActionProps) {
  const [problem, setProblem] = useState<Problem>();
  const [pending, startTransition] = useTransition();
  return (
    <>
      <button
        type="button"
        className={className}
        aria-label={label}
        disabled={pending}
        onClick={() =>
          startTransition(async () => {
            try {
              await action();
              setProblem(undefined);
            } catch (error) {
              setProblem(problemOf(error, sentences));
            }
          })
        }
      >
        {children}
      </button>
      {problem && <Alert>{problem.sentence}</Alert>}
    </>
  );
}
