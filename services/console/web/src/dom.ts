/** Building elements without a framework: `el("p.note", "text", child)`. Text is always text, never markup. */

type Part = Node | string | null | undefined | false;

export function el<K extends keyof HTMLElementTagNameMap>(tag: K, classes = "", ...parts: Part[]): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  if (classes) node.className = classes;
  fill(node, ...parts);
  return node;
}

/** Replace the content of an element, leaving it alone if it would not change. */
export function fill(node: Element, ...parts: Part[]): void {
  const kept = parts.filter((part): part is Node | string => part !== null && part !== undefined && part !== false);
  if (kept.length === 1 && typeof kept[0] === "string" && node.childElementCount === 0) {
    if (node.textContent !== kept[0]) node.textContent = kept[0];
    return;
  }
  node.replaceChildren(...kept);
}

export function show(node: HTMLElement, shown: boolean): void {
  node.hidden = !shown;
}

/** Keep one element per key, in the order of the items; elements of keys that are gone are removed. */
export function keyed<T, E extends { root: HTMLElement }>(
  into: HTMLElement, items: readonly T[], kept: Map<string, E>, key: (item: T) => string, make: (item: T) => E, update: (view: E, item: T) => void,
): void {
  const present = new Set(items.map(key));
  for (const [name, view] of kept) {
    if (!present.has(name)) {
      view.root.remove();
      kept.delete(name);
    }
  }
  let before: Element | null = into.firstElementChild;
  for (const item of items) {
    let view = kept.get(key(item));
    if (!view) {
      view = make(item);
      kept.set(key(item), view);
    }
    if (view.root === before) before = before.nextElementSibling;
    else into.insertBefore(view.root, before);
    update(view, item);
  }
}
