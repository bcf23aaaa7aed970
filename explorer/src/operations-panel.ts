import { create } from "./dom.js";
import type { OperationGroup, PreparedOperation } from "./prepared-operation.js";

/** A list of the prepared operations, with a field to filter it. */
export function operationsPanel(
  groups: readonly OperationGroup[],
  open: (operation: PreparedOperation) => void,
): HTMLElement {
  const filter = create("input", {
    type: "search",
    placeholder: "Filter",
    ariaLabel: "Filter the operations",
  });
  const sections = groups.map(({ title, operations }) => {
    const items = operations.map((operation) => {
      const { name, kind, description } = operation;
      const button = create(
        "button",
        { type: "button", onclick: () => open(operation) },
        create("span", { className: "name" }, name),
        create("span", { className: `kind ${kind}` }, kind),
      );
      if (description) button.append(create("span", { className: "description" }, description));
      return { element: create("li", {}, button), text: `${title} ${name} ${description}`.toLowerCase() };
    });
    const list = create("ul", {}, ...items.map(({ element }) => element));
    return { element: create("details", {}, create("summary", {}, title), list), items };
  });
  sections[0]!.element.open = true;
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const { element, items } of sections) {
      for (const item of items) item.element.hidden = !item.text.includes(wanted);
      element.hidden = items.every((item) => item.element.hidden);
      element.open = wanted !== "";
    }
  });
  return create(
    "div",
    { className: "operations" },
    create("h2", {}, "Operations"),
    filter,
    ...sections.map(({ element }) => element),
  );
}
