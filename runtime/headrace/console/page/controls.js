// What an operator can change, each with a confirmation that says what will happen.

import { change } from "./api.js";
import { element } from "./element.js";
import { percent } from "./versions.js";

const byId = (id) => document.getElementById(id);
const dialog = byId("confirmation");
const form = dialog.querySelector("form");
const refused = byId("refused");
let perform = null;

byId("cancel").addEventListener("click", () => dialog.close());
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("confirm").disabled = true;
  try {
    await perform(form.elements.why.value);
    dialog.close();
  } catch (error) {
    refused.textContent = error.message;
    refused.hidden = false;
  } finally {
    byId("confirm").disabled = false;
  }
});

function ask({ title, text, verb, fields = [], action, query, done, said }) {
  byId("confirmation-title").textContent = title;
  byId("confirmation-text").textContent = text;
  byId("confirm").textContent = verb;
  byId("fields").replaceChildren(...fields);
  refused.hidden = true;
  form.elements.why.value = "";
  perform = async (why) => {
    await change(action, { ...query(), why });
    done(said);
  };
  dialog.showModal();
}

export function load(model, version, done) {
  const swap = element("select", { name: "swap" },
    element("option", { value: "" }, "as model.yaml says"),
    element("option", { value: "0" }, "none by itself"),
    element("option", { value: "1" }, "all, and who had it is unloaded"),
    element("option", { value: "first" }, "all, and who had it ends before it is loaded"));
  ask({
    title: `Load ${model}/${version}?`,
    text: "It is loaded beside those that serve, unless who has the traffic is to end before: then "
      + "requests wait for it. If it fails all is as it was.",
    verb: "Load",
    fields: [element("label", { class: "field" }, "Traffic once it is ready", swap)],
    action: "load",
    query: () => ({
      model,
      version,
      ...(swap.value && { swap: swap.value === "0" ? "0" : "1" }),
      ...(swap.value === "first" && { old_first: "1" }),
    }),
    done,
    said: `${model}/${version} is to be loaded.`,
  });
}

export function unload(model, version, done) {
  ask({
    title: `Unload ${model}/${version}?`,
    text: "It answers what it took, takes nothing new, and ends. A version that has traffic is not "
      + "unloaded before others have it.",
    verb: "Unload",
    action: "unload",
    query: () => ({ model, version }),
    done,
    said: `${model}/${version} ends once it has answered what it took.`,
  });
}

export function split(model, versions, done) {
  const parts = versions.map((one) => element("input", {
    type: "number", min: "0", max: "100", step: "0.01", required: "",
    name: `share-${one.version}`, value: String(one.share),
  }));
  ask({
    title: `Divide the traffic of ${model}?`,
    text: `Of the requests that name no version. Now: ${
      versions.map((one) => `version ${one.version} ${percent(one.share)}`).join(", ")
    }. A version that is being loaded is waited for; until then all stays as it is.`,
    verb: "Divide",
    fields: versions.map((one, at) =>
      element("label", { class: "field" }, `Version ${one.version}, in percent`, parts[at])),
    action: "split",
    query: () => ({
      model,
      shares: versions.map((one, at) => `${one.version}=${parts[at].value}`)
        .filter((_, at) => Number(parts[at].value) > 0).join(","),
    }),
    done,
    said: `The traffic of ${model} is divided anew.`,
  });
}

export function undo(entry, done) {
  ask({
    title: `Undo entry ${entry.number}?`,
    text: `${entry.model} goes back to what was wanted before “${entry.what}”. Versions that are `
      + "gone by now are loaded first, and have their traffic back once they are ready.",
    verb: "Undo",
    action: "undo",
    query: () => ({ number: entry.number }),
    done,
    said: `Entry ${entry.number} is undone.`,
  });
}

// What each word does to a rollout, before it is said.
const WORDS = {
  approve: {
    verb: "Approve",
    title: (one) => `Let rollout ${one.number} leave step ${one.step}?`,
    text: (one) => `Version ${one.candidate} of ${one.model} goes on once it has earned it, and `
      + "not before. The rollout keeps who said so, and why.",
    said: (one) => `Step ${one.step} of rollout ${one.number} is approved.`,
  },
  promote: {
    verb: "Promote",
    title: (one) => `Promote ${one.model}/${one.candidate} now?`,
    text: (one) => `Version ${one.candidate} has all the traffic of ${one.model} at once, whatever `
      + "is known of it, and the rollout ends.",
    said: (one) => `${one.model}/${one.candidate} has the traffic.`,
  },
  rollback: {
    verb: "Roll back",
    title: (one) => `Roll back to ${one.model}/${one.baseline} now?`,
    text: (one) => `Version ${one.baseline} has all the traffic of ${one.model} at once, and the `
      + `rollout ends. Version ${one.candidate} stays loaded.`,
    said: (one) => `${one.model}/${one.baseline} has the traffic again.`,
  },
  stop: {
    verb: "Stop",
    title: (one) => `Stop rollout ${one.number}?`,
    text: (one) => `Traffic stays as it is now, ${percent(one.percent)} with version `
      + `${one.candidate}, and nothing is judged any more.`,
    said: (one) => `Rollout ${one.number} is stopped; traffic stays as it was.`,
  },
};

export function sayTo(rollout, word, done) {
  const { verb, title, text, said } = WORDS[word];
  ask({
    title: title(rollout),
    text: text(rollout),
    verb,
    action: `rollout/${word}`,
    // The step that was looked at: by now it may be at another.
    query: () => ({ number: rollout.number, ...(word === "approve" ? { step: rollout.step } : {}) }),
    done,
    said: said(rollout),
  });
}
