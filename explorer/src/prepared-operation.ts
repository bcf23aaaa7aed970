/** The prepared operations for a noun of the API. */
export interface OperationGroup {
  title: string;
  operations: PreparedOperation[];
}

export interface PreparedOperation {
  name: string;
  kind: "query" | "mutation";
  /** What it does, where the name does not say it. */
  description: string;
  document: string;
  /** Its variables as JSON, to be filled in; empty when it has none. */
  variables: string;
}
