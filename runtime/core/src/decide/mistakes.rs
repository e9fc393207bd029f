//! What is wrong with a policy table, in words.

use super::policy::{Alias, Fact, Judged, ModelPolicy, Profiled, Rule, Shadow, Share, Sticky};
use crate::base::{named::is_alias, units::Version};
use std::collections::BTreeSet;

/// Each is looked at for a request that names one.
const MOST_ALIASES: usize = 64;
/// Each is looked at for every request.
const MOST_RULES: usize = 64;
/// Each holds memory of its own.
const MOST_SHADOWS: usize = 8;
/// The same.
const MOST_JUDGED: usize = 8;
/// The same.
const MOST_PROFILED: usize = 64;
/// Of a fact's name, a rule's value and a salt.
const NAME_BYTES: usize = 128;

impl ModelPolicy {
    pub(super) fn mistakes(&self, model: &str, out: &mut Mistakes) {
        let mut known = BTreeSet::new();
        for entry in &self.versions {
            if entry.version == Version(0) {
                out.add(|| format!("model {model:?}: version 0; versions are counted from 1"));
            }
            if !known.insert(entry.version) {
                out.add(|| format!("model {model:?}: version {} is listed twice", entry.version));
            }
        }
        let mut weighted = BTreeSet::new();
        for Share { version, .. } in &self.weights {
            if !known.contains(version) {
                out.add(|| format!("model {model:?}: a share for version {version}, which is not listed"));
            }
            if !weighted.insert(version) {
                out.add(|| format!("model {model:?}: two shares for version {version}"));
            }
        }
        let sum: u64 = self.weights.iter().map(|share| u64::from(share.share)).sum();
        if !self.weights.is_empty() && sum != u64::from(Share::FULL) {
            out.add(|| format!("model {model:?}: shares add up to {sum}, expected {}", Share::FULL));
        }
        self.mistakes_of_aliases(model, &known, out);
        self.mistakes_of_rules(model, &known, out);
        if let Some(Sticky { fact, salt }) = &self.sticky {
            let more = fact_mistake(fact).into_iter().chain(too_long("the salt", salt));
            more.for_each(|mistake| out.add(|| format!("model {model:?}: sticky: {mistake}")));
        }
        self.mistakes_of_shadows(model, &known, out);
        self.mistakes_of_judged(model, out);
        self.mistakes_of_profiled(model, out);
    }

    fn mistakes_of_aliases(&self, model: &str, known: &BTreeSet<Version>, out: &mut Mistakes) {
        if self.aliases.len() > MOST_ALIASES {
            let count = self.aliases.len();
            out.add(|| format!("model {model:?}: {count} aliases, at most {MOST_ALIASES} are allowed"));
        }
        let mut seen = BTreeSet::new();
        for Alias { name, version } in &self.aliases {
            let shown = || name.chars().take(NAME_BYTES).collect::<String>();
            if !is_alias(name) {
                out.add(|| {
                    format!(
                        "model {model:?}: {:?} is no alias: expected a lower-case letter and then \
                                    those, digits, '.', '_' and '-', 128 at most",
                        shown()
                    )
                });
            }
            if !known.contains(version) {
                out.add(|| {
                    format!(
                        "model {model:?}: alias {:?} is for version {version}, which is not listed",
                        shown()
                    )
                });
            }
            if !seen.insert(name) {
                out.add(|| format!("model {model:?}: alias {:?} stands twice", shown()));
            }
        }
    }

    fn mistakes_of_shadows(&self, model: &str, known: &BTreeSet<Version>, out: &mut Mistakes) {
        if self.shadows.len() > MOST_SHADOWS {
            let count = self.shadows.len();
            out.add(|| format!("model {model:?}: {count} shadows, at most {MOST_SHADOWS} are allowed"));
        }
        let mut seen = BTreeSet::new();
        for Shadow { version, share, keep_worst, .. } in &self.shadows {
            if !known.contains(version) {
                out.add(|| format!("model {model:?}: version {version} is a shadow, and is not listed"));
            }
            if !seen.insert(version) {
                out.add(|| format!("model {model:?}: version {version} is a shadow twice"));
            }
            if !(1..=Share::FULL).contains(share) {
                let full = Share::FULL;
                out.add(|| {
                    format!("model {model:?}: the share of shadow {version} is {share}, expected 1 to {full}")
                });
            }
            let most = Shadow::MOST_KEPT;
            if *keep_worst > most {
                out.add(|| {
                    format!("model {model:?}: keep_worst of shadow {version} is {keep_worst}, at most {most} may be")
                });
            }
        }
    }

    fn mistakes_of_judged(&self, model: &str, out: &mut Mistakes) {
        if self.judged.len() > MOST_JUDGED {
            let count = self.judged.len();
            out.add(|| format!("model {model:?}: {count} versions are judged, at most {MOST_JUDGED} may be"));
        }
        let mut seen = BTreeSet::new();
        for Judged { version, slow_ns, users_at_step, .. } in &self.judged {
            if !seen.insert(version) {
                out.add(|| format!("model {model:?}: version {version} is judged twice"));
            }
            let (lines, most) = (slow_ns.len(), Judged::MOST_LINES);
            if lines > most {
                out.add(|| {
                    format!("model {model:?}: version {version} is judged by {lines} slow_ns, at most {most} are allowed")
                });
            }
            if slow_ns.contains(&0) {
                out.add(|| {
                    format!("model {model:?}: a slow_ns of version {version} is 0, expected 1 or more")
                });
            }
            if users_at_step.is_some() && self.sticky.is_none() {
                out.add(|| {
                    format!("model {model:?}: version {version} is judged by users, and nothing is sticky")
                });
            }
        }
    }

    fn mistakes_of_profiled(&self, model: &str, out: &mut Mistakes) {
        if self.profiled.len() > MOST_PROFILED {
            let count = self.profiled.len();
            out.add(|| {
                format!("model {model:?}: {count} versions are profiled, at most {MOST_PROFILED} may be")
            });
        }
        let mut seen = BTreeSet::new();
        for Profiled { version, inputs, outputs, per_second } in &self.profiled {
            if !seen.insert(version) {
                out.add(|| format!("model {model:?}: version {version} is profiled twice"));
            }
            let (count, most) = (inputs.len().max(outputs.len()), Profiled::MOST_TENSORS);
            if count > most {
                out.add(|| {
                    format!("model {model:?}: version {version} is profiled by {count} tensors, at most {most} are allowed")
                });
            }
            let most = Profiled::MOST_PER_SECOND;
            if !(1..=most).contains(per_second) {
                out.add(|| {
                    format!("model {model:?}: per_second of version {version} is {per_second}, expected 1 to {most}")
                });
            }
            let long = inputs.iter().chain(outputs).find_map(|name| too_long("the name of a tensor", name));
            long.into_iter().for_each(|mistake| {
                out.add(|| format!("model {model:?}: version {version} is profiled: {mistake}"));
            });
        }
    }

    fn mistakes_of_rules(&self, model: &str, known: &BTreeSet<Version>, out: &mut Mistakes) {
        if self.rules.len() > MOST_RULES {
            let count = self.rules.len();
            out.add(|| format!("model {model:?}: {count} rules, at most {MOST_RULES} are allowed"));
        }
        let mut seen = BTreeSet::new();
        for (at, Rule { fact, value, version }) in self.rules.iter().enumerate() {
            let at = at + 1;
            if !known.contains(version) {
                out.add(|| {
                    format!("model {model:?}: rule {at} is for version {version}, which is not listed")
                });
            }
            if !seen.insert((fact, value)) {
                out.add(|| {
                    format!("model {model:?}: rule {at} asks what an earlier rule asks, and would never act")
                });
            }
            let empty = value.is_empty().then(|| "its value is empty, which no request's is".to_owned());
            let more = fact_mistake(fact).into_iter().chain(empty).chain(too_long("its value", value));
            more.for_each(|mistake| out.add(|| format!("model {model:?}: rule {at}: {mistake}")));
        }
    }
}

fn too_long(what: &str, text: &str) -> Option<String> {
    let len = text.len();
    (len > NAME_BYTES).then(|| format!("{what} has {len} bytes, at most {NAME_BYTES} are allowed"))
}

/// A fact that no request could have would be a rule that never acts.
fn fact_mistake(fact: &Fact) -> Option<String> {
    let (Fact::Header(name) | Fact::Parameter(name)) = fact;
    if name.is_empty() {
        return Some("its fact has no name".to_owned());
    }
    let of_headers =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if matches!(fact, Fact::Header(_)) && !name.bytes().all(of_headers) {
        return Some(format!(
            "{:?} is no header's name: expected lower-case letters, digits and hyphens",
            name.chars().take(NAME_BYTES).collect::<String>()
        ));
    }
    too_long("the name of its fact", name)
}

/// What is told of a table that is refused: each mistake names its model, so all of them could be very long.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    told: Vec<String>,
    more: usize,
}

impl Mistakes {
    const MOST: usize = 20;

    pub(super) fn add(&mut self, what: impl FnOnce() -> String) {
        if self.told.len() < Mistakes::MOST {
            self.told.push(what());
        } else {
            self.more += 1;
        }
    }

    pub(super) fn list(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("and {} more", self.more));
        }
        self.told
    }
}
