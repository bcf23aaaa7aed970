import { type ComponentProps, useSyncExternalStore } from "react";

// All the routing that this app needs: a path is a page. An app with nested routes takes a library.

function navigate(to: string): void {
  history.pushState(null, "", to);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
}

function subscribe(listener: () => void): () => void {
  addEventListener("popstate", listener);
  return () => removeEventListener("popstate", listener);
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

/** A parameter of the query, such as the token of a link in an email; empty when it is missing. */
export function useParameter(name: string): string {
  const search = useSyncExternalStore(subscribe, () => location.search);
  return new URLSearchParams(search).get(name) ?? "";
}

export function Link({ to, ...props }: { to: string } & Omit<ComponentProps<"a">, "href" | "onClick">) {
  const current = usePath() === to;
  return (
    <a
      {...props}
      href={to}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        // A new tab or window is the browser's business.
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        navigate(to);
      }}
    />
  );
}
