// Versions whose tensors are watched: which features are not as they were, and how they are.

import { partsChart } from "./charts.js";
import { element, show } from "./element.js";

// Features that are shown of a version beside those with an alarm: the ones that moved most.
const OTHERS = 3;

export function showDrift(place, versions) {
  show(place, ...versions.map(card));
}

function card(one) {
  const label = `${one.model}/${one.version}`;
  const order = [...one.features].sort((a, b) => b.alarm - a.alarm || b.score - a.score);
  const alarms = order.filter((feature) => feature.alarm);
  const shown = order.slice(0, alarms.length + OTHERS);
  return element("article", { "aria-label": `Drift of ${label}` },
    element("div", { class: "headline" }, element("h3", {}, label),
      element("span", { class: `state ${one.drifted ? "failed" : "ready"}` },
        one.drifted ? "drifted" : order.length === 0 ? "nothing compared yet" : "as it was")),
    element("p", { class: "numbers" }, `${one.reference_rows} rows are its `
      + `reference (grey), ${one.window_rows} are in the window that comes after the last (blue)`),
    ...(shown.length === 0 ? [] : [element("ul", { class: "features" }, ...shown.map(row))]),
    ...(shown.length === order.length ? [] : [element("p", { class: "numbers" },
      `${order.length - shown.length} more have moved less: headrace drift ${one.model}`)]));
}

function row(feature) {
  const amount = (number) => number === null ? "–"
    : number.toLocaleString("en", { maximumSignificantDigits: 4, useGrouping: false });
  const since = feature.alarm
    ? `since ${new Date(1000 * feature.since_unix_s).toLocaleString()}` : "";
  return element("li", {},
    element("span", {}, `${feature.tensor}: ${feature.feature}`),
    ...(feature.parts.length === 0 ? [element("span")] : [partsChart(feature.parts)]),
    element("span", {}, `${amount(feature.reference)} → ${amount(feature.now)}`),
    element("span", {}, `${feature.score.toFixed(3)} bits`),
    element("span", { class: "alarm" }, since));
}
