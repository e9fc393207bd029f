// Follows the server while somebody looks, and shows what it says.

import { follow, keepToken, read, TokenNeeded } from "./api.js";
import { load, sayTo, split, undo, unload } from "./controls.js";
import { showDrift } from "./drift.js";
import { element, show } from "./element.js";
import { going, showRollouts } from "./rollouts.js";
import { joined, percent, rateFacts, routes, undoable } from "./versions.js";

// Before it follows again a server that is gone.
const AGAIN_MS = 2000;
// Nobody tells what comes into the folder of models: it is read again after so many looks.
const LOOKS = 10;

const byId = (id) => document.getElementById(id);
let status = null;
let rows = [];
let traffic = {};
let rates = {};
let rollouts = [];
let watched = [];
let looks = 0;
let lines = null;
let isAsking = false;
let isStale = true;
let leaving = new AbortController();
let shownModels = [];
let shownEntries = [];

async function watch() {
  for (;;) {
    if (document.hidden) {
      await new Promise((seen) =>
        document.addEventListener("visibilitychange", seen, { once: true }));
      continue;
    }
    leaving = new AbortController();
    try {
      await follow("/api/events?look=1", heard, leaving.signal);
      throw new TypeError("the events ended");
    } catch (error) {
      // Of another server, perhaps, when it answers again.
      isStale = true;
      if (error instanceof TokenNeeded) {
        await askToken();
      } else if (!leaving.signal.aborted) {
        failed(error);
        await new Promise((waited) => setTimeout(waited, AGAIN_MS));
      }
    }
  }
}

// Until one is given: without it there is nothing to show.
async function askToken() {
  const dialog = byId("token");
  const form = dialog.querySelector("form");
  form.reset();
  dialog.showModal();
  await new Promise((given) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      keepToken(form.elements.token.value.trim());
      given();
    };
  });
  dialog.close();
}

function heard(kind, facts) {
  if (kind !== "look") {
    refresh();
    return;
  }
  ({ status, rates } = facts);
  looks += 1;
  const told = going(rollouts, facts.rollouts);
  rollouts = told.rollouts;
  isStale ||= told.isStale;
  if (isStale || looks % LOOKS === 0) {
    refresh();
  } else {
    draw();
  }
  if (facts.lines !== lines) {
    lines = facts.lines;
    refreshLog();
  }
}

async function refresh() {
  isStale = true;
  if (isAsking) {
    return;
  }
  isAsking = true;
  try {
    while (isStale) {
      isStale = false;
      status = await read("/api/status");
      let unread;
      ({ versions: rows, traffic, unread } = await read("/api/versions"));
      ({ rollouts } = await read("/api/rollouts?ended=5&said=20"));
      ({ versions: watched } = await read("/api/drift"));
      const { entries } = await read("/api/journal?limit=20");
      draw();
      showJournal(entries);
      trouble(unread ? `What could be loaded is not known: ${unread}` : "");
    }
  } catch (error) {
    isStale = true;
    failed(error);
  } finally {
    isAsking = false;
  }
}

async function refreshLog() {
  try {
    showLog((await read("/api/logs?limit=60")).lines);
  } catch (error) {
    lines = null;
    failed(error);
  }
}

function draw() {
  showServer(status);
  showModels(joined(status, rows));
  showRollouts(byId("rollouts"), rollouts);
  byId("rollouts-section").hidden = rollouts.length === 0;
  showDrift(byId("drift"), watched);
  byId("drift-section").hidden = watched.length === 0;
}

function failed(error) {
  if (error instanceof TokenNeeded) {
    // Who follows asks for it.
    leaving.abort();
    return;
  }
  trouble(error instanceof TypeError || error instanceof DOMException
    ? "The server does not answer. What is shown is how it was; this page asks again by itself."
    : `The server answers with an error, and is asked again: ${error.message}`);
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
    ...model.controls.map((one) => element("p", { class: "numbers" },
      `Version ${one.version} a second time, as the control of a rollout: ${percent(one.share_percent)}`
      + ` of the traffic, ${one.state}, ${one.hosts} of ${one.hosts_wanted} hosts`)),
    element("ul", { class: "versions" }, ...model.versions.map((one) => versionRow(model, one))));
}

function versionRow(model, one) {
  const label = `${model.name}/${one.version}`;
  const reason = [one.quarantined, one.reason].filter(Boolean).join("; ") || "in its folder";
  const middle = element("div", {}, element("p", { class: "reason" }, reason));
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
    if (label in rates) {
      middle.append(element("p", { class: "numbers rates" }, rateFacts(rates[label]).join(" · ")));
    }
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
  } else if (pressed.dataset.rollout !== undefined) {
    sayTo(rollouts.find((one) => one.number === Number(key)), action, done);
  } else {
    undo(shownEntries.find((one) => one.number === Number(key)), done);
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    leaving.abort();
  }
});
watch();
