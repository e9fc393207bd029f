// Builds elements. What comes from the server is only ever set as text.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  // Strings become text nodes.
  made.append(...children);
  return made;
}

const shown = new WeakMap();

// Replaces what a place shows only where it differs, and keeps the focus on the button it was on.
export function show(place, ...children) {
  const next = element("div", {}, ...children);
  if (shown.get(place) === next.innerHTML) {
    return;
  }
  shown.set(place, next.innerHTML);
  const focused = place.contains(document.activeElement)
    ? document.activeElement.getAttribute("aria-label") : null;
  place.replaceChildren(...next.childNodes);
  if (focused !== null) {
    [...place.querySelectorAll("button")]
      .find((one) => one.getAttribute("aria-label") === focused)?.focus();
  }
}
