import { find } from "./dom.js";

/** The paths of the assets, which `build.ts` puts in their place. */
declare const GRAPHIQL_JS: string;
declare const EDITOR_WORKER: string;
declare const GRAPHQL_WORKER: string;
declare const JSON_WORKER: string;

const WORKERS: Record<string, string> = { graphql: GRAPHQL_WORKER, json: JSON_WORKER };

/** Sends an operation with the headers of the editor, and returns the server's answer. */
export type Fetcher = (
  operation: { query: string; operationName?: string | null; variables?: unknown },
  options?: { headers?: Record<string, string> },
) => Promise<unknown>;

/** The part of the editor that is used here: https://microsoft.github.io/monaco-editor/ */
interface Monaco {
  editor: {
    getModels(): { uri: { path: string }; getValue(): string; setValue(text: string): void }[];
    getEditors(): Editor[];
    onDidCreateEditor(listener: (editor: Editor) => void): { dispose(): void };
    setTheme(name: string): void;
  };
}

interface Editor {
  trigger(source: string, action: string, payload: unknown): void;
  getAction(id: string): { run(): Promise<void> } | null;
}

/** What the distribution of GraphiQL defines. It hands on what GraphiQL itself takes. */
declare global {
  var MonacoEnvironment: object | undefined;
  var monaco: Monaco;
  var React: { createElement(type: unknown, properties: object | null, ...children: unknown[]): unknown };
  var YogaGraphiQL: { renderYogaGraphiQL(element: Element, properties: object): void };
}

/** As in the style sheet: the panels then cover the editor. */
const phone = matchMedia("(max-width: 720px)");

const FILES = { query: "operation.graphql", variables: "variables.json" };

export interface Tab {
  query: string;
  variables: string;
}

export interface GraphiQLOptions {
  fetcher: Fetcher;
  first: Tab;
  /** What the sidebar offers besides the documentation. */
  panel: { title: string; element: HTMLElement };
}

/** GraphiQL on this page. */
export class GraphiQL {
  /** What this page has put into the current tab. */
  #given: Tab;

  private constructor(first: Tab) {
    this.#given = first;
  }

  /** Loads GraphiQL and renders it into an element. */
  static async show(element: Element, { fetcher, first, panel }: GraphiQLOptions): Promise<GraphiQL> {
    globalThis.MonacoEnvironment = {
      // Makes the editor's API available as `monaco`.
      globalAPI: true,
      getWorkerUrl: (_module: string, label: string) => urlOf(WORKERS[label] ?? EDITOR_WORKER),
    };
    await import(urlOf(GRAPHIQL_JS));
    const { React, YogaGraphiQL, monaco } = globalThis;
    letTabMoveOn();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () =>
      monaco.editor.setTheme(dark.matches ? "graphiql-DARK" : "graphiql-LIGHT"),
    );
    element.replaceChildren();
    YogaGraphiQL.renderYogaGraphiQL(element, {
      fetcher,
      query: first.query,
      variables: first.variables,
      plugins: [
        {
          title: panel.title,
          icon: () => listIcon(),
          content: () =>
            React.createElement("div", {
              ref: (parent: Element | null) => parent?.replaceChildren(panel.element),
            }),
        },
      ],
      storage: layoutStorage(phone.matches ? {} : { visiblePlugin: panel.title }),
      shouldPersistHeaders: false,
      forcedTheme: "system",
      defaultEditorToolsVisibility: !phone.matches,
      // The distribution's own would write each edit into the address bar, and so into the browser's history.
      onEditQuery() {},
    });
    return new GraphiQL(first);
  }

  /** Opens an operation: in the current tab, unless the user has edited that. */
  open(tab: Tab): void {
    const { query, variables } = this.#given;
    if (model("query").getValue() !== query || model("variables").getValue() !== variables) {
      document.querySelector<HTMLElement>(".graphiql-tab-add")?.click();
    }
    model("query").setValue(tab.query);
    model("variables").setValue(tab.variables);
    this.#given = tab;
    if (tab.variables) find("[data-name=variables]").click();
    if (phone.matches) document.querySelector<HTMLElement>(".graphiql-sidebar .active")?.click();
  }

  /** Runs the operation of the current tab. */
  run(): void {
    const editor = globalThis.monaco.editor.getEditors().find((each) => each.getAction("graphql-run"));
    void editor?.getAction("graphql-run")?.run();
  }
}

function urlOf(path: string): string {
  return new URL(path, document.baseURI).href;
}

/** Lets the Tab key move on, as everywhere else on the page. It is one setting for all editors. */
function letTabMoveOn(): void {
  const { dispose } = globalThis.monaco.editor.onDidCreateEditor((editor) => {
    dispose();
    queueMicrotask(() => editor.trigger("explorer", "editor.action.toggleTabFocusMode", null));
  });
}

function model(name: keyof typeof FILES) {
  return globalThis.monaco.editor.getModels().find(({ uri }) => uri.path.endsWith(FILES[name]))!;
}

/** Keeps the layout in the browser, and nothing else: what the user types may be secret. */
function layoutStorage(initial: Record<string, string>) {
  const layout = /^graphiql:(visiblePlugin|\w+Flex)$/;
  const memory = new Map<string, string>(
    Object.entries(initial).map(([name, value]) => [`graphiql:${name}`, value]),
  );
  return {
    getItem: (name: string) =>
      (layout.test(name) ? localStorage.getItem(name) : null) ?? memory.get(name) ?? null,
    setItem(name: string, value: string) {
      memory.set(name, value);
      if (layout.test(name)) localStorage.setItem(name, value);
    },
    removeItem(name: string) {
      memory.delete(name);
      localStorage.removeItem(name);
    },
    clear() {
      memory.clear();
      localStorage.clear();
    },
    get length() {
      return memory.size;
    },
  };
}

function listIcon(): unknown {
  const { createElement } = globalThis.React;
  const path = createElement("path", {
    d: "M3 5h2M3 10h2M3 15h2M8 5h9M8 10h9M8 15h9",
    strokeLinecap: "round",
  });
  return createElement(
    "svg",
    { viewBox: "0 0 20 20", fill: "none", stroke: "currentColor", strokeWidth: 1.5 },
    path,
  );
}
