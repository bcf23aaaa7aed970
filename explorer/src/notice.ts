import { find } from "./dom.js";

export interface Notice {
  text: string;
  /** What the user can do about it. */
  action?: { label: string; run: () => void };
}

/** Shows a notice above GraphiQL; undefined: hides it. */
export function showNotice(notice: Notice | undefined): void {
  const element = find("#notice");
  element.hidden = notice === undefined;
  find("p", element).textContent = notice?.text ?? "";
  const action = find<HTMLButtonElement>(".action", element);
  action.hidden = notice?.action === undefined;
  action.textContent = notice?.action?.label ?? "";
  action.onclick = () => {
    showNotice(undefined);
    notice?.action?.run();
  };
  find(".close", element).onclick = () => showNotice(undefined);
}
