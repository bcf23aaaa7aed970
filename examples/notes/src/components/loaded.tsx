import type { ReactNode } from "react";
import { problemOf } from "../problems.ts";
import { Alert } from "./alert.tsx";

interface LoadedProps<Data> {
  /** What `useQuery` returned. */
  query: { data: Data | undefined; error?: Error | undefined; refetch: () => Promise<unknown> };
  children: (data: Data) => ReactNode;
}

/** Shows what a query returned, that it is loading, or why it failed. */
export function Loaded<Data>({ query: { data, error, refetch }, children }: LoadedProps<Data>) {
  return (
    <>
      {error && (
        <Alert>
          {problemOf(error).sentence}{" "}
          <button type="button" className="link" onClick={() => refetch().catch(() => {})}>
            Try again
          </button>
        </Alert>
      )}
      {data ? children(data) : !error && <p className="quiet">One moment…</p>}
    </>
  );
}
