//! The policy table: which versions there are and how traffic is shared among them. Replaced as a whole.

use super::{facts::Facts, mistakes::Mistakes, sticky::Key};
use crate::base::units::Version;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Orders tables: a later controller's term wins over any sequence of an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    pub term: u64,
    pub sequence: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VersionState {
    Ready,
    Loading,
    Unavailable,
}

impl VersionState {
    /// As the repository index says it.
    pub fn name(self) -> &'static str {
        match self {
            VersionState::Ready => "READY",
            VersionState::Loading => "LOADING",
            VersionState::Unavailable => "UNAVAILABLE",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionEntry {
    pub version: Version,
    pub state: VersionState,
    #[serde(default)]
    pub reason: String,
    /// It is loaded when a request asks for it, which waits meanwhile.
    #[serde(default)]
    pub on_demand: bool,
}

/// A part of the traffic, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    pub version: Version,
    pub share: u32,
}

impl Share {
    /// What the shares of a model add up to.
    pub const FULL: u32 = 10_000;
}

/// Where a request carries the value that decides. Headers and gRPC metadata are one space of lower-case names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Fact {
    Header(CompactString),
    Parameter(CompactString),
}

/// Requests whose `fact` is `value` go to `version`, whether or not it has a share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub fact: Fact,
    pub value: CompactString,
    pub version: Version,
}

/// Requests that name `name` instead of a version's number are for `version`, whether or not it has a share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    pub name: CompactString,
    pub version: Version,
}

/// Requests with the same value of `fact` go to the same version, by weight ([`super::sticky`]). Another salt deals the
/// values out anew.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sticky {
    pub fact: Fact,
    pub salt: CompactString,
}

/// A version that gets copies of what others answer ([`super::mirror`]); its answers reach no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    pub version: Version,
    /// Of the requests that versions with a share answer, in ten-thousandths.
    pub share: u32,
    /// The operator says that requests may run twice, whatever contracts say.
    #[serde(default)]
    pub repeatable: bool,
    /// It has cores or a device of its own: copies need not wait until nobody is served.
    #[serde(default)]
    pub apart: bool,
    /// So many of the pairs of answers that are furthest apart are kept. At most [`Shadow::MOST_KEPT`].
    #[serde(default)]
    pub keep_worst: usize,
    /// Who answered a request answers each copy of it once more, and not some: how far it agrees with itself is compared.
    #[serde(default)]
    pub noise_of_each: bool,
}

impl Shadow {
    pub const MOST_KEPT: usize = 64;
}

/// A version of which evidence is counted: how many of its units were bad. Nothing of routing depends on it. One that is
/// not listed has nothing to count.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    pub version: Version,
    /// Who asks: another one's count begins anew, also where nobody saw the table without either.
    #[serde(default)]
    pub rollout: u64,
    /// Lines beyond which an answer is slow, from arrival on; each is counted by itself. At most [`Judged::MOST_LINES`].
    #[serde(default)]
    pub slow_ns: Vec<u64>,
    /// Units are users, who are who has the same value of what is sticky: each is heard once in such a step.
    #[serde(default)]
    pub users_at_step: Option<u32>,
}

impl Judged {
    pub const MOST_LINES: usize = 4;
}

/// A version of whose requests some are looked at, for what their tensors are like ([`super::profile`]). Nothing of routing
/// depends on it. At most [`Profiled::MOST_TENSORS`] of either kind, and [`Profiled::MOST_PER_SECOND`] requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiled {
    pub version: Version,
    /// Names of tensors.
    #[serde(default)]
    pub inputs: Vec<CompactString>,
    #[serde(default)]
    pub outputs: Vec<CompactString>,
    pub per_second: u32,
}

impl Profiled {
    pub const MOST_TENSORS: usize = 8;
    pub const MOST_PER_SECOND: u32 = 1000;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPolicy {
    pub versions: Vec<VersionEntry>,
    pub(super) weights: Vec<Share>,
    #[serde(default)]
    pub(super) aliases: Vec<Alias>,
    /// The first that fits decides.
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    #[serde(default)]
    pub(super) sticky: Option<Sticky>,
    #[serde(default)]
    pub(super) shadows: Vec<Shadow>,
    #[serde(default)]
    pub(super) judged: Vec<Judged>,
    #[serde(default)]
    pub(super) profiled: Vec<Profiled>,
}

impl ModelPolicy {
    /// Empty, or adding up to [`Share::FULL`]; no version twice.
    pub fn shares(&self) -> &[Share] {
        &self.weights
    }

    /// No version twice.
    pub fn shadows(&self) -> &[Shadow] {
        &self.shadows
    }

    /// No version twice.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// No version twice.
    pub fn profiled(&self) -> &[Profiled] {
        &self.profiled
    }

    pub fn entry(&self, version: Version) -> Option<&VersionEntry> {
        self.versions.iter().find(|entry| entry.version == version)
    }

    /// The version that an alias leads to.
    pub fn alias(&self, name: &str) -> Option<Version> {
        self.aliases.iter().find(|alias| alias.name == name).map(|alias| alias.version)
    }

    /// The version of the first rule that fits a request.
    pub fn ruled(&self, facts: &Facts<'_>) -> Option<Version> {
        let fits = |rule: &&Rule| facts.read(&rule.fact, |value| rule.value == value) == Some(true);
        self.rules.iter().find(fits).map(|rule| rule.version)
    }

    /// What its requests of one kind have in common; `None` for a request that goes wherever the dice say.
    pub fn sticky(&self, facts: &Facts<'_>) -> Option<Key> {
        let Sticky { fact, salt } = self.sticky.as_ref()?;
        facts.read(fact, |value| Key::new(salt, value))
    }

    /// Where requests say who asks.
    pub fn sticky_fact(&self) -> Option<&Fact> {
        self.sticky.as_ref().map(|sticky| &sticky.fact)
    }

    /// By what a request is in a shadow's share or is not: what sticks, or else its id. `None` for one that has neither.
    pub fn mirror_key(&self, facts: &Facts<'_>, id: &str) -> Option<Key> {
        let of = |value: &str| Key::new("shadow", value);
        let stuck = self.sticky_fact().and_then(|fact| facts.read(fact, of));
        stuck.or_else(|| (!id.is_empty()).then(|| of(id)))
    }

    /// Names of headers and metadata that decide.
    fn headers(&self) -> impl Iterator<Item = &CompactString> {
        let facts = self.rules.iter().map(|rule| &rule.fact).chain(self.sticky_fact());
        facts.filter_map(|fact| match fact {
            Fact::Header(name) => Some(name),
            Fact::Parameter(_) => None,
        })
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTable {
    pub epoch: Epoch,
    pub models: BTreeMap<CompactString, ModelPolicy>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    #[error("the policy table does not parse: {0}")]
    Syntax(String),
    #[error("the policy table has {} mistake(s): {}", .0.len(), .0.join("; "))]
    Mistakes(Vec<String>),
    #[error("the policy table of term {}, sequence {} is not later than the one in force (term {}, sequence {})",
        .came.term, .came.sequence, .held.term, .held.sequence)]
    Old { came: Epoch, held: Epoch },
}

impl PolicyTable {
    /// The first [`Mistakes::MOST`] mistakes are named, not only one.
    pub fn parse(text: &str) -> Result<PolicyTable, BadPolicy> {
        let table: PolicyTable = serde_json::from_str(text).map_err(|e| BadPolicy::Syntax(e.to_string()))?;
        let mut mistakes = Mistakes::default();
        for (name, model) in &table.models {
            if name.is_empty() {
                mistakes.add(|| "a model without a name".to_owned());
            }
            model.mistakes(name, &mut mistakes);
        }
        let mistakes = mistakes.list();
        if mistakes.is_empty() { Ok(table) } else { Err(BadPolicy::Mistakes(mistakes)) }
    }

    /// The same table may come again; another one must be later.
    pub fn may_replace(&self, held: &PolicyTable) -> Result<(), BadPolicy> {
        if self.epoch > held.epoch || self == held {
            return Ok(());
        }
        Err(BadPolicy::Old { came: self.epoch, held: held.epoch })
    }

    /// Sorted, each once.
    pub fn routing_headers(&self) -> Vec<CompactString> {
        let names: BTreeSet<_> = self.models.values().flat_map(ModelPolicy::headers).collect();
        names.into_iter().cloned().collect()
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
