// Which versions there are: what runs, joined with what could be loaded. Pure.

export function percent(number) {
  return `${Number(number.toFixed(2))} %`;
}

// rates: of one version in a look. What was not answered took no time: that is a dash.
export function rateFacts(rates) {
  const amount = (number) => number === null ? "–"
    : number.toLocaleString("en", { maximumSignificantDigits: 3, useGrouping: false });
  const time = (ms) => ms === null ? "–" : `${amount(ms)} ms`;
  return [
    `${amount(rates.requests_per_s)} requests/s`, `${amount(rates.errors_per_s)} errors/s`,
    `p50 ${time(rates.p50_ms)}`, `p99 ${time(rates.p99_ms)}`,
    `${amount(rates.rows_per_batch)} rows a batch`,
  ];
}

// status: of /api/status; rows: of /api/versions. Returns [{name, versions, controls}], each
// by number.
export function joined(status, rows) {
  const models = new Map();
  const versionsOf = (name) => {
    if (!models.has(name)) {
      models.set(name, new Map());
    }
    return models.get(name);
  };
  for (const row of rows) {
    versionsOf(row.model).set(row.version, {
      version: row.version, wanted: row.wanted, state: row.state, reason: row.reason,
      share: row.share_percent, coming: row.coming_percent, running: null,
      quarantined: row.quarantined,
    });
  }
  for (const model of status.models) {
    for (const one of model.versions) {
      const versions = versionsOf(model.name);
      versions.set(one.version, {
        wanted: true, coming: null, ...versions.get(one.version),
        version: one.version, state: one.state, reason: one.reason,
        share: one.share_percent, running: one,
      });
    }
  }
  const controls = new Map(status.models.map((model) => [model.name, model.controls]));
  return [...models].sort(([a], [b]) => a < b ? -1 : 1).map(([name, versions]) => ({
    name, versions: [...versions.values()].sort((a, b) => a.version - b.version),
    controls: controls.get(name) ?? [],
  }));
}

// The entries that can be undone: of each model the newest, if something was before it.
export function undoable(entries) {
  const seen = new Set();
  return new Set(entries.filter((entry) => {
    const newest = !seen.has(entry.model);
    seen.add(entry.model);
    return newest && entry.before !== null;
  }).map((entry) => entry.number));
}

// What else than shares decides who answers, a line each; traffic: of one model in /api/versions.
export function routes(traffic) {
  if (traffic === undefined) {
    return [];
  }
  const aliases = Object.entries(traffic.aliases ?? {}).map(([name, version]) =>
    `${name} is version ${version}`);
  const rules = traffic.rules.map(([fact, value, version]) =>
    `${fact}=${value} has version ${version}`);
  const sticky = traffic.sticky ? [`the same ${traffic.sticky} stays with one version`] : [];
  const shadows = (traffic.shadows ?? []).map(([version, share]) =>
    `version ${version} is a shadow of ${share / 100} %`);
  return [...aliases, ...rules, ...sticky, ...shadows];
}
