// Builds elements. What comes from the server is only ever set as text.

export function element(name, attributes = {}, ...children) {
  return made(document.createElement(name), attributes, children);
}

// The namespace of SVG, as the browser has it: of a drawing that is in the page.
const SVG = document.getElementById("drawing").content.firstElementChild.namespaceURI;

// As element(), of SVG.
export function drawing(name, attributes = {}, ...children) {
  return made(document.createElementNS(SVG, name), attributes, children);
}

function made(one, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    one.setAttribute(key, value);
  }
  // Strings become text nodes.
  one.append(...children);
  return one;
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
