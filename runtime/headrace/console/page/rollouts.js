// Versions that get more and more of the traffic: what is known of each, and what may be said to it.

import { differenceChart, evidenceBar, limitChart, shareBar } from "./charts.js";
import { element, show } from "./element.js";
import { percent } from "./versions.js";

// Of answers, the part that is beyond a quantile.
const BEYOND = { p50: 50, p95: 5, p99: 1 };
// What a bad unit is.
const BAD = { errors: "failed", p50: "slow", p95: "slow", p99: "slow", agreement: "different" };
// How far a chart of differences reaches, in margins.
const REACH = 4;

// Of each rollout that is shown, its card and the places in it: a card stays, so that what is
// unfolded does, too.
const cards = new Map();

// known: all that are shown; news: those that go on, as a look has them. isStale: one has ended
// since, and how is to be read.
export function going(known, news) {
  const fresh = new Map(news.map((one) => [one.number, one]));
  const isStale = known.some((one) => one.end === null && !fresh.has(one.number));
  const kept = known.map((one) => fresh.get(one.number) ?? one);
  const numbers = new Set(known.map((one) => one.number));
  return { rollouts: [...kept, ...news.filter((one) => !numbers.has(one.number))], isStale };
}

// Those that go on come first, then the others, the newest first.
export function showRollouts(place, rollouts) {
  const order = [...rollouts].sort((a, b) =>
    (a.end !== null) - (b.end !== null) || b.number - a.number);
  const keys = order.map((one) => `${one.number} ${one.end}`);
  for (const [key, card] of cards) {
    if (!keys.includes(key)) {
      card.whole.remove();
      cards.delete(key);
    }
  }
  order.forEach((one, at) => {
    const key = keys[at];
    if (!cards.has(key)) {
      cards.set(key, one.end === null ? openCard(one) : foldedCard(one));
    }
    const card = cards.get(key);
    if (place.children[at] !== card.whole) {
      place.insertBefore(card.whole, place.children[at] ?? null);
    }
    show(card.head, ...head(one));
    show(card.facts, ...facts(one));
    show(card.said, ...said(one));
  });
}

function openCard(one) {
  const places = { head: element("div"), facts: element("div"), said: element("ol", { class: "told" }) };
  const whole = element("article", { "aria-label": `Rollout ${one.number}`, class: "rollout" },
    places.head, places.facts,
    element("details", {}, element("summary", {}, "What was said and done"), places.said));
  return { whole, ...places };
}

function foldedCard(one) {
  const places = {
    head: element("summary"), facts: element("div"), said: element("ol", { class: "told" }),
  };
  const whole = element("details", { "aria-label": `Rollout ${one.number}`, class: "rollout ended" },
    places.head, places.facts, places.said);
  return { whole, ...places };
}

function head(one) {
  const other = one.plan.kind === "a/a" ? "itself" : one.baseline;
  const versions = `version ${one.candidate} against ${other}`;
  const last = one.said.at(-1);
  if (one.end !== null) {
    return [
      element("strong", {}, `${one.model}: ${versions}`), " ",
      element("span", { class: `state ${one.end.replaceAll(" ", "-")}` }, one.end),
      element("span", { class: "numbers" }, ` ${time(last.unix_ms)}`),
    ];
  }
  const where = one.step ? `step ${one.step} of ${one.shares_percent.length}` : "before its first step";
  const why = one.why ? `: ${one.why}` : "";
  return [
    element("div", { class: "headline" }, element("h3", {}, `${one.model}: ${versions}`),
      element("div", { class: "verbs" }, ...words(one))),
    element("p", { class: "numbers" }, `Rollout ${one.number} · ${where} · begun by ${one.who}${why}`),
  ];
}

function words(one) {
  const found = [word(one, "rollback", "Roll back"), word(one, "stop", "Stop")];
  // One version in both arms promotes nothing.
  if (one.plan.kind !== "a/a") {
    found.unshift(word(one, "promote", "Promote"));
  }
  const waits = one.said.at(-1).what === "wait_for_approval";
  return one.may_approve
    ? [word(one, "approve", "Approve", waits ? "primary" : ""), ...found] : found;
}

function word(one, action, text, kind = "") {
  return element("button", {
    type: "button", class: kind, "aria-label": `${text} rollout ${one.number}`, "data-action": action,
    "data-rollout": "", "data-key": one.number,
  }, text);
}

function facts(one) {
  const steps = [...one.shares_percent, 100];
  const last = one.said.at(-1);
  return [
    shareBar(one.percent ?? 0, steps.slice(0, -1)),
    element("p", { class: "numbers" }, `${
      one.percent === null ? "traffic as it was left" : `${percent(one.percent)} of the traffic`
    } · steps: ${
      steps.map((step) => percent(step)).join(", ")}`),
    element("p", { class: "last" }, element("strong", {}, `${title(last.what)}: `), last.why),
    element("ul", { class: "metrics" }, columns(), ...one.metrics.map((metric) => metricRow(one, metric)),
      ...together(one)),
    element("dl", { class: "arms" }, ...arm(one, "candidate"), ...arm(one, "baseline")),
  ];
}

function columns() {
  const names = ["Metric", "Units", "Difference", "Evidence, to 1"];
  return element("li", { class: "columns numbers", "aria-hidden": "true" },
    ...names.map((name) => element("span", {}, name)));
}

function metricRow(one, metric) {
  const asked = 1 / one.plan.alpha;
  const reach = scale(metric);
  return element("li", {},
    element("h4", {}, metric.name),
    element("div", { class: "rates" },
      element("p", {}, `version ${one.arms.candidate}: ${rate(metric.name, metric.candidate)}`),
      element("p", { class: "numbers" }, metric.control === null
        ? "against a fixed limit"
        : `version ${one.arms.baseline}: ${rate(metric.name, metric.control)}`),
      ...weighsAsOne(metric)),
    element("div", { class: "where" }, ...difference(one, metric, reach)),
    element("div", { class: "bets" },
      ...evidence("harm", "Worse than allowed", metric.harm_odds, asked),
      ...evidence("fine", "As good as asked", metric.fine_odds, asked)));
}

// Latencies that are slow, or quick, for a while: units are fewer than executions.
function weighsAsOne(metric) {
  const effect = Math.round(metric.design_effect ?? 1);
  return effect < 2 ? [] : [element("p", { class: "numbers" },
    `about ${effect} weigh as one, for they are slow, or quick, for a while`)];
}

// It goes back by the evidence of all metrics together, which is their mean.
function together(one) {
  if (one.metrics.length === 1) {
    return [];
  }
  return [element("li", { class: "together" },
    element("h4", {}, "together"),
    element("p", { class: "numbers" }, "The candidate goes back once this is full."),
    element("div", { class: "bets" },
      ...evidence("harm", "Worse than allowed", one.harm_odds, 1 / one.plan.alpha)))];
}

function difference(one, metric, reach) {
  const margin = 100 * metric.margin;
  if (metric.control === null) {
    const found = metric.candidate.bad_percent;
    const text = `${found === null ? "Nothing yet" : `${points(found)} %`}; at most ${
      points(margin)} % is allowed`;
    return [limitChart(found, margin, reach), element("p", { class: "numbers" }, text)];
  }
  const found = metric.difference_points ?? [-100, 100];
  // Of a value worse is less or more; the chart has what is worse to the right, as for all.
  const value = one.plan.judge.values[metric.name];
  const [low, high] = metric.mean_difference ?? found;
  const limit = value
    ? `${points(value.max_loss)} ${value.better === "higher" ? "less" : "more"}`
    : margin ? signed(margin) : "0";
  const text = metric.difference_points === null
    ? "Not known yet" : `${signed(low)} to ${signed(high)} ${value ? "on average" : "points"}`;
  return [
    differenceChart(found, margin, reach),
    element("p", { class: "numbers" }, `${text}; at most ${limit} is allowed`),
  ];
}

// In points, or in percent where there is a limit. Of the plan alone: it stays as it is.
function scale(metric) {
  const margin = 100 * metric.margin;
  if (metric.control === null) {
    return Math.min(100, 2 * margin);
  }
  return Math.min(100, REACH * (margin || BEYOND[metric.name] || 1));
}

function evidence(kind, name, odds, asked) {
  const text = `${name}: ${times(odds)} of ${times(asked)}`;
  return [element("p", { class: "numbers" }, text), evidenceBar(kind, odds, asked)];
}

function arm(one, name) {
  const latency = one.latency_ms[name];
  const told = Object.keys(BEYOND).filter((part) => latency[part] !== null)
    .map((part) => `${part} ${points(latency[part])} ms`);
  const crashes = one.crashes[name];
  return [
    element("dt", {}, `Version ${one.arms[name]}`),
    element("dd", { class: "numbers" }, [
      told.join(", ") || "no answers yet",
      crashes === 1 ? "1 crash" : `${crashes || "no"} crashes`,
    ].join(" · ")),
  ];
}

function said(one) {
  return [...one.said].reverse().map((entry) => element("li", {},
    element("time", { class: "numbers", datetime: new Date(entry.unix_ms).toISOString() },
      time(entry.unix_ms)),
    element("span", {}, element("strong", {}, title(entry.what)), `: ${entry.why}`)));
}

function rate(metric, { units, bad_percent: bad, mean }) {
  const count = Math.round(units).toLocaleString("en");
  if (bad === null) {
    return "no units yet";
  }
  return mean === null ? `${points(bad)} % of ${count} ${BAD[metric] ?? "bad"}`
    : `${points(mean)} on average of ${count}`;
}

function points(number) {
  return number.toLocaleString("en", { maximumSignificantDigits: 3 });
}

// Evidence has no end upwards, nor has it downwards.
function times(odds) {
  return odds < 0.01 ? "less than 0.01" : odds < 1e5 ? points(odds) : "more than 100,000";
}

function signed(number) {
  const amount = Math.abs(number).toLocaleString("en", { maximumSignificantDigits: 2 });
  return `${number < 0 ? "−" : "+"}${amount}`;
}

function title(what) {
  const words = what.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

function time(unixMs) {
  return new Date(unixMs).toLocaleString();
}
