/** The URLs of the assets, which `build.ts` puts in their place. */
declare const GRAPHIQL_JS: string;
declare const EDITOR_WORKER: string;
declare const GRAPHQL_WORKER: string;
declare const JSON_WORKER: string;

const WORKERS: Record<string, string> = { graphql: GRAPHQL_WORKER, json: JSON_WORKER };

/** What the distribution of GraphiQL takes besides GraphiQL's own props: it hands those on. */
interface GraphiQLProps {
  fetcher: Fetcher;
  [name: string]: unknown;
}

interface Operation {
  query: string;
  operationName?: string | null;
  variables?: unknown;
}

/** Sends an operation with the headers of the editor, and returns the server's answer. */
export type Fetcher = (
  operation: Operation,
  options?: { headers?: Record<string, string> },
) => Promise<unknown>;

declare global {
  var MonacoEnvironment: object | undefined;
  var YogaGraphiQL: { renderYogaGraphiQL(element: Element, props: GraphiQLProps): void };
}

/** Loads GraphiQL and renders it into an element. */
export async function showGraphiQL(
  element: Element,
  { fetcher, query }: { fetcher: Fetcher; query: string },
) {
  globalThis.MonacoEnvironment = {
    globalAPI: true,
    getWorkerUrl: (_module: string, label: string) => WORKERS[label] ?? EDITOR_WORKER,
  };
  await import(GRAPHIQL_JS);
  globalThis.YogaGraphiQL.renderYogaGraphiQL(element, {
    fetcher,
    query,
    shouldPersistHeaders: false,
    // The distribution's own would write each edit into the address bar, and so into the browser's history.
    onEditQuery() {},
  });
}
