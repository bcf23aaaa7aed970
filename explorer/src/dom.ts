/** Finds an element of the page. @throws when there is none */
export function find<Name extends keyof HTMLElementTagNameMap>(
  selector: Name,
  within?: ParentNode,
): HTMLElementTagNameMap[Name];
export function find<E extends HTMLElement = HTMLElement>(selector: string, within?: ParentNode): E;
export function find(selector: string, within: ParentNode = document): Element {
  const element = within.querySelector(selector);
  if (!element) throw new Error(`The page has no ${selector}.`);
  return element;
}

/** Creates an element with properties and children. */
export function create<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}
