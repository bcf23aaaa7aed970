import {
  type ComponentProps,
  createContext,
  type ReactNode,
  use,
  useId,
  useState,
  useTransition,
} from "react";
import { type Problem, problemOf, type Sentences } from "../problems.ts";
import { Alert } from "./alert.tsx";

const FormProblem = createContext<Problem | undefined>(undefined);

interface FormProps {
  /** Receives the values of the fields by name. */
  action: (values: Record<string, string>) => Promise<unknown>;
  /** The label of the button. */
  submit: string;
  /** Whether to empty the fields when it is done. */
  reset?: boolean;
  sentences?: Sentences;
  /** More buttons. */
  buttons?: ReactNode;
  className?: string;
  children: ReactNode;
}

/** A form that waits for its action, and says what is wrong: beside the field, where the server names one. */
export function Form({ action, submit, reset, sentences, buttons, className, children }: FormProps) {
  const [problem, setProblem] = useState<Problem>();
  const [pending, startTransition] = useTransition();
  return (
    <form
      className={className}
      onSubmit={(event) => {
        event.preventDefault();
        const form = event.currentTarget;
        startTransition(async () => {
          try {
            await action(Object.fromEntries(new FormData(form)) as Record<string, string>);
            setProblem(undefined);
            if (reset) form.reset();
          } catch (error) {
            const { violations, ...rest } = problemOf(error, sentences);
            const own = violations.filter(({ field }) => form.elements.namedItem(nameOf(field)));
            setProblem({ ...rest, violations: own });
          }
        });
      }}
    >
      <FormProblem value={problem}>{children}</FormProblem>
      {problem?.violations.length === 0 && <Alert>{problem.sentence}</Alert>}
      <div className="buttons">
        <button type="submit" className="primary" disabled={pending}>
          {submit}
        </button>
        {buttons}
      </div>
    </form>
  );
}

interface FieldProps extends ComponentProps<"input"> {
  name: string;
  label: string;
  hint?: string | undefined;
}

export function Field({ name, label, hint, ...input }: FieldProps) {
  const id = useId();
  const violation = use(FormProblem)?.violations.find(({ field }) => nameOf(field) === name);
  const note = violation ? sentenceOf(violation.message, name, label) : hint;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        name={name}
        required
        aria-invalid={violation && true}
        aria-describedby={note && `${id}-note`}
        {...input}
      />
      {note && (
        <p id={`${id}-note`} className={violation ? "note wrong" : "note"} role={violation && "alert"}>
          {note}
        </p>
      )}
    </div>
  );
}

/** The six digits of an authenticator app. */
export function CodeField() {
  return (
    <Field
      name="code"
      label="Code from your authenticator app"
      inputMode="numeric"
      autoComplete="one-time-code"
      autoFocus
    />
  );
}

export const WRONG_CODE = "This code is wrong, or was used already. Wait for the next one.";

/** The last part of an argument's path, such as `input.username`. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/** The server's message begins in lower case, often with the name of the argument. */
function sentenceOf(message: string, name: string, label: string): string {
  if (message.startsWith(`${name} `)) return `${label}${message.slice(name.length)}.`;
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
}
