// Small drawings of what a rollout knows. Everything is in percent of a drawing's width, so that
// they are as wide as there is room. What they show is said in words beside them.

import { drawing } from "./element.js";

const within = (low, number, high) => Math.min(high, Math.max(low, number));

// The share that the candidate has of all traffic, with the plan's steps as marks.
export function shareBar(percent, steps) {
  return svg("shares",
    drawing("rect", { class: "track", width: "100%", height: "100%" }),
    drawing("rect", { class: "filled", width: `${within(0, percent, 100)}%`, height: "100%" }),
    ...steps.map((step) => upright("mark", step)));
}

// Of which the evidence is `odds` to 1 where `asked` are needed: logarithmic, for it grows so.
export function evidenceBar(kind, odds, asked) {
  const part = within(0, 100 * Math.log(odds) / Math.log(asked), 100);
  return svg(`evidence ${kind}`,
    drawing("rect", { class: "track", width: "100%", height: "100%" }),
    drawing("rect", { class: "filled", width: `${part}%`, height: "100%" }));
}

// Where the difference of two rates is, in points; `margin` more are allowed. The scale depends on
// the plan alone: the interval narrows, and the margin stays where it is.
export function differenceChart([low, high], margin, reach) {
  const place = (points) => within(0, 50 + 50 * points / reach, 100);
  const from = place(low);
  const to = place(high);
  return svg("difference",
    drawing("rect", { class: "beyond", x: `${place(margin)}%`, width: `${100 - place(margin)}%`,
      height: "100%" }),
    upright("zero", 50),
    upright("margin", place(margin)),
    drawing("rect", { class: "interval", x: `${from}%`, y: "35%", width: `${Math.max(to - from, 1)}%`,
      height: "30%" }));
}

// How bad the candidate is where it is compared with a limit; null before anything is known.
export function limitChart(percent, limit, reach) {
  const place = (points) => within(0, 100 * points / reach, 100);
  return svg("difference",
    drawing("rect", { class: "beyond", x: `${place(limit)}%`, width: `${100 - place(limit)}%`,
      height: "100%" }),
    upright("margin", place(limit)),
    ...(percent === null ? [] : [drawing("rect", {
      class: "interval", y: "35%", width: `${Math.max(place(percent), 1)}%`, height: "30%",
    })]));
}

// Of each part of all numbers, from the smallest on, what share of the reference is in it, and what
// share of the last window. Where both are alike, two and two are of one height.
export function partsChart(parts) {
  const tallest = Math.max(...parts.flat());
  const wide = 100 / parts.length;
  return svg("parts", ...parts.flatMap((pair, at) => pair.map((share, which) => {
    const height = 100 * share / tallest;
    return drawing("rect", {
      class: which === 0 ? "before" : "now", x: `${(at + 0.1 + 0.4 * which) * wide}%`,
      width: `${0.4 * wide}%`, y: `${100 - height}%`, height: `${height}%`,
    });
  })));
}

function upright(kind, percent) {
  return drawing("line", {
    class: kind, x1: `${percent}%`, x2: `${percent}%`, y1: "0", y2: "100%",
  });
}

function svg(kind, ...parts) {
  return drawing("svg", { class: `chart ${kind}`, "aria-hidden": "true" }, ...parts);
}
