import type { ReactNode } from "react";

/** A message that screen readers read at once. */
export function Alert({ good, children }: { good?: boolean; children: ReactNode }) {
  return (
    <p role="alert" className={good ? "alert good" : "alert"}>
      {children}
    </p>
  );
}
