// Asks the server while somebody looks, and shows what it says.

import { read } from "./api.js";
import { load, split, undo, unload } from "./controls.js";
import { element, show } from "./element.js";
import { joined, percent, routes, undoable } from "./versions.js";

const EVERY_MS = 2000;
// The folder of models is read for this, so not each time.
const VERSIONS_EVERY = 5;

const byId = (id) => document.getElementById(id);
let rows = [];
let traffic = {};
let newest = null;
let asked = 0;
let isAsking = false;
let shownModels = [];
let shownEntries = [];

async function refresh() {
  if (isAsking || document.hidden) {
    return;
  }
  isAsking = true;
  try {
    const status = await read("/api/status");
    const { entries } = await read("/api/journal?limit=20");
    const number = entries.length ? entries[0].number : 0;
    if (number !== newest || asked % VERSIONS_EVERY === 0) {
      ({ versions: rows, traffic } = await read("/api/versions"));
      newest = number;
    }
    const { lines } = await read("/api/logs?limit=60");
    asked += 1;
    showServer(status);
    showModels(joined(status, rows));
    showJournal(entries);
    showLog(lines);
    trouble("");
  } catch (error) {
    // Of another server, perhaps, when it answers again.
    newest = null;
    trouble(error instanceof TypeError || error instanceof DOMException
      ? "The server does not answer. What is shown is how it was; this page asks again by itself."
      : `The server answers with an error, and is asked again: ${error.message}`);
  } finally {
    isAsking = false;
  }
}

function trouble(text) {
  const place = byId("trouble");
  if (place.textContent !== text) {
    place.textContent = text;
  }
  place.hidden = text === "";
  document.body.classList.toggle("stale", text !== "");
}

function done(text) {
  byId("said").textContent = text;
  newest = null;
  refresh();
}

function showServer(status) {
  const state = status.draining ? `ends: ${status.draining}` : status.ready ? "ready" : "not ready";
  const addresses = ["http", "grpc"].filter((one) => one in status.addresses)
    .map((one) => `${one} ${status.addresses[one]}`);
  show(byId("server"), [state, ...addresses].join(" · "));
}

function showModels(models) {
  shownModels = models;
  if (models.length === 0) {
    show(byId("models"), element("article", {}, "There is no model in this server's folder."));
    return;
  }
  const cards = models.map(modelCard);
  show(byId("models"), ...cards);
  // The policy of the page allows no style attribute; this is none.
  for (const part of byId("models").querySelectorAll("[data-share]")) {
    part.style.width = `${part.dataset.share}%`;
  }
}

function modelCard(model) {
  const loaded = model.versions.filter((one) => one.wanted);
  const divided = model.versions.filter((one) => one.share > 0);
  const told = divided.map((one) => `version ${one.version} ${percent(one.share)}`).join(", ")
    || "no version has traffic";
  const headline = element("div", { class: "headline" }, element("h3", {}, model.name));
  if (loaded.length > 1) {
    headline.append(button("Divide traffic", `Divide the traffic of ${model.name}`,
      model.name, "split"));
  }
  return element("article", { "aria-label": model.name }, headline,
    element("div", { class: "share", role: "img", "aria-label": `Traffic: ${told}` },
      ...divided.map((one) => element("span", { "data-share": one.share }))),
    element("p", { class: "numbers" }, `Traffic: ${told}`),
    ...routes(traffic[model.name]).map((line) => element("p", { class: "numbers" }, line)),
    element("ul", { class: "versions" }, ...model.versions.map((one) => versionRow(model, one))));
}

function versionRow(model, one) {
  const label = `${model.name}/${one.version}`;
  const middle = element("div", {}, element("p", { class: "reason" }, one.reason || "in its folder"));
  if (one.running !== null) {
    const run = one.running;
    const facts = [`${percent(one.share)} of traffic`, `${run.hosts} of ${run.hosts_wanted} hosts`,
      `${run.waiting} waiting`, `${run.in_flight} in flight`];
    if (run.deaths > 0) {
      facts.push(`${run.deaths} ended unasked, last: ${run.last_death}`);
    }
    if (one.coming !== null) {
      facts.push(`takes ${percent(one.coming)} once all it waits for is ready`);
    }
    middle.append(element("p", { class: "numbers" }, facts.join(" · ")));
  }
  const verbs = [];
  if (!one.wanted || one.state === "failed") {
    verbs.push(button("Load", `Load ${label}`, model.name, "load", one.version));
  }
  if (one.wanted) {
    verbs.push(button("Unload", `Unload ${label}`, model.name, "unload", one.version));
  }
  return element("li", { "data-version": label },
    element("div", {}, element("strong", {}, `Version ${one.version}`),
      element("span", { class: `state ${one.state.replaceAll(" ", "-")}` }, one.state)),
    middle, element("div", { class: "verbs" }, ...verbs));
}

function button(text, label, model, action, key = "") {
  return element("button", {
    type: "button", "aria-label": label, "data-action": action, "data-model": model,
    "data-key": key,
  }, text);
}

function showJournal(entries) {
  shownEntries = entries;
  const can = undoable(entries);
  const items = entries.map((entry) => {
    const when = new Date(entry.unix_ms);
    const why = entry.why ? `: ${entry.why}` : "";
    const item = element("li", {}, element("div", {},
      element("span", {}, `${entry.number} · ${entry.model} · ${entry.what}${why}`),
      element("p", { class: "numbers" },
        element("time", { datetime: when.toISOString() }, when.toLocaleString()),
        ` · ${entry.who}`)));
    if (can.has(entry.number)) {
      item.append(button("Undo", `Undo entry ${entry.number}`, entry.model, "undo", entry.number));
    }
    return item;
  });
  show(byId("journal"), ...(items.length ? items : [element("li", {}, "Nothing was changed yet.")]));
}

function showLog(lines) {
  const place = byId("log");
  const text = lines.map((one) => `${one.speaker} | ${one.text}`).join("\n") || "No lines yet.";
  if (place.textContent === text) {
    return;
  }
  const atEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 8;
  place.textContent = text;
  if (atEnd) {
    place.scrollTop = place.scrollHeight;
  }
}

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-action]");
  if (pressed === null) {
    return;
  }
  const { action, model, key } = pressed.dataset;
  if (action === "load") {
    load(model, Number(key), done);
  } else if (action === "unload") {
    unload(model, Number(key), done);
  } else if (action === "split") {
    const versions = shownModels.find((one) => one.name === model).versions;
    split(model, versions.filter((one) => one.wanted), done);
  } else {
    undo(shownEntries.find((one) => one.number === Number(key)), done);
  }
});
document.addEventListener("visibilitychange", refresh);
setInterval(refresh, EVERY_MS);
refresh();
