//! What a shadow's answers were like beside those that callers had, and how it is told.

use super::line::Shadow;
use crate::base::{fault::Kind, units::Version};
use crate::decide::{
    compare::Comparison,
    tally::{Sizes, Tally},
};
use crate::meter::{Family, label};
use compact_str::CompactString;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Outputs of a model that are told apart.
const MOST_OUTPUTS: usize = 64;

/// What came of one pair of answers.
#[derive(Debug)]
pub(super) enum Compared {
    Both { outputs: Vec<(CompactString, Comparison)>, primary_ns: u64, shadow_ns: u64 },
    Failed(Kind),
    PrimaryFailed,
    BothFailed,
}

impl Compared {
    /// By the worst output, how much says something else, from 0 to 1. `None`: there was nothing to compare with, or the
    /// shadow was not at fault.
    pub(super) fn disagreement(&self) -> Option<f64> {
        match self {
            Compared::Both { outputs, .. } => {
                Some(outputs.iter().map(|(_, found)| found.disagreement()).fold(0.0, f64::max))
            }
            Compared::Failed(kind) => match kind {
                // It does not answer what the other does.
                Kind::ModelFailed | Kind::ModelHung | Kind::Internal | Kind::Invalid => Some(1.0),
                // It had no time beside callers, or was lost, which is counted as that; or it is too large to compare.
                Kind::Expired
                | Kind::Overloaded
                | Kind::Unavailable
                | Kind::HostLost
                | Kind::Cancelled
                | Kind::TooLarge
                | Kind::NotFound
                | Kind::Forbidden
                | Kind::Unsupported
                | Kind::Slow => None,
            },
            Compared::PrimaryFailed | Compared::BothFailed => None,
        }
    }
}

/// Of the pairs of two versions.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    compared: u64,
    failed: [u64; Kind::ALL.len()],
    primary_failed: u64,
    both_failed: u64,
    /// That hosts had the pairs that were compared.
    primary_ns: u64,
    shadow_ns: u64,
    outputs: BTreeMap<CompactString, Tally>,
}

impl Pairs {
    fn add(&mut self, compared: &Compared) {
        match compared {
            Compared::Both { outputs, primary_ns, shadow_ns } => {
                self.compared += 1;
                self.primary_ns = self.primary_ns.saturating_add(*primary_ns);
                self.shadow_ns = self.shadow_ns.saturating_add(*shadow_ns);
                for (name, comparison) in outputs {
                    if self.outputs.len() < MOST_OUTPUTS || self.outputs.contains_key(name) {
                        self.outputs.entry(name.clone()).or_default().add(*comparison);
                    }
                }
            }
            Compared::Failed(kind) => {
                if let Some(count) = self.failed.get_mut(usize::from(kind.number()).saturating_sub(1)) {
                    *count += 1;
                }
            }
            Compared::PrimaryFailed => self.primary_failed += 1,
            Compared::BothFailed => self.both_failed += 1,
        }
    }

    fn told(&self) -> Value {
        let failed = Kind::ALL.iter().zip(self.failed).filter(|(_, count)| *count > 0);
        let failed: Map<_, _> = failed.map(|(kind, count)| (kind.code().to_owned(), count.into())).collect();
        let outputs: Vec<_> = self.outputs.iter().map(|(name, tally)| output(name, tally)).collect();
        json!({
            "compared": self.compared,
            "failed": failed,
            "primary_failed": self.primary_failed,
            "both_failed": self.both_failed,
            "primary_ms": mean_ms(self.primary_ns, self.compared),
            "shadow_ms": mean_ms(self.shadow_ns, self.compared),
            "outputs": outputs,
        })
    }
}

fn output(name: &str, tally: &Tally) -> Value {
    let sizes = tally.sizes.as_deref().map(|sizes: &Sizes| {
        json!({
            "requests": sizes.requests,
            "broken": sizes.broken,
            "max_abs": sizes.max_abs,
            "max_rel": sizes.max_rel,
            "mean_rel": sizes.mean_rel(),
            "median_rel": sizes.quantile(0.5),
            "p95_rel": sizes.quantile(0.95),
            "min_cosine": sizes.min_cosine,
            "ranked_rows": sizes.ranks.rows,
            "same_first": sizes.ranks.first,
            "shared_first_five": sizes.ranks.shared,
        })
    });
    json!({
        "name": name,
        "compared": tally.compared,
        "same": tally.same,
        "unlike": tally.unlike,
        "elements": tally.elements,
        "unequal": tally.unequal,
        "sizes": sizes,
    })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds are read by people")]
fn mean_ms(sum_ns: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum_ns as f64 / count as f64 / 1e6)
}

/// By the version whose answers callers had: the shadow's, and those of that version itself.
#[derive(Debug, Default)]
pub(super) struct Record(BTreeMap<Version, [Pairs; 2]>);

impl Record {
    pub(super) fn add(&mut self, primary: Version, is_noise: bool, compared: &Compared) {
        let [shadow, noise] = self.0.entry(primary).or_default();
        if is_noise { noise.add(compared) } else { shadow.add(compared) }
    }

    pub(super) fn keep(&mut self, is_serving: impl Fn(Version) -> bool) {
        self.0.retain(|primary, _| is_serving(*primary));
    }
}

impl Shadow {
    pub(super) fn told(&self) -> Value {
        let wish = self.wish.load();
        let dropped = self.dropped().filter(|(_, count)| *count > 0);
        let dropped: Map<_, _> =
            dropped.map(|(cause, count)| (cause.code().to_owned(), count.into())).collect();
        let record = self.record.lock();
        let each = record.0.iter().map(|(primary, [shadow, noise])| {
            json!({"primary": primary, "found": shadow.told(), "noise": noise.told()})
        });
        json!({
            "model": self.service.model,
            "version": self.service.version,
            "share": wish.shadow.share,
            "repeatable": wish.shadow.repeatable,
            "apart": wish.shadow.apart,
            "copied": self.copied.load(Relaxed),
            "dropped": dropped,
            "against": each.collect::<Vec<_>>(),
            "worst": self.kept.told(),
        })
    }
}

/// For the metrics page.
pub(super) fn families(shadows: &[Arc<Shadow>]) -> Vec<Family> {
    let family = |kind, name: &'static str, help: &'static str| Family {
        name: name.into(),
        kind,
        help: help.into(),
        rows: Vec::new(),
    };
    let counter = |name, help| family("counter", name, help);
    let gauge = |name, help| family("gauge", name, help);
    let mut copies =
        counter("headrace_shadow_copies_total", "Copies of requests that wait or waited for a shadow");
    let mut drops = counter(
        "headrace_shadow_dropped_total",
        "Requests that a shadow should have had and has not, by cause",
    );
    let mut pairs = counter(
        "headrace_shadow_answers_total",
        "Answers of a shadow beside those of the version that callers had, by outcome",
    );
    let mut outputs = counter(
        "headrace_shadow_outputs_total",
        "Outputs that were compared, by result (unlike: another shape or datatype)",
    );
    let mut errors =
        gauge("headrace_shadow_relative_error", "Largest relative error of an output of a shadow");
    let mut floors =
        gauge("headrace_shadow_noise_relative_error", "The same of the version that callers had, run again");
    for shadow in shadows {
        let labels =
            format!("{},version=\"{}\"", label("model", &shadow.service.model), shadow.service.version);
        copies.rows.push((labels.clone(), shadow.copied.load(Relaxed).to_string()));
        for (cause, count) in shadow.dropped() {
            drops.rows.push((format!("{labels},cause=\"{}\"", cause.code()), count.to_string()));
        }
        for (primary, [found, noise]) in &shadow.record.lock().0 {
            let labels = format!("{labels},primary=\"{primary}\"");
            let failed: u64 = found.failed.iter().sum();
            for (outcome, count) in [
                ("compared", found.compared),
                ("failed", failed),
                ("primary_failed", found.primary_failed),
                ("both_failed", found.both_failed),
            ] {
                pairs.rows.push((format!("{labels},outcome=\"{outcome}\""), count.to_string()));
            }
            for (name, tally) in &found.outputs {
                let labels = format!("{labels},{}", label("output", name));
                let different = tally.compared - tally.same - tally.unlike;
                for (result, count) in
                    [("same", tally.same), ("different", different), ("unlike", tally.unlike)]
                {
                    outputs.rows.push((format!("{labels},result=\"{result}\""), count.to_string()));
                }
                let largest = |tally: &Tally| tally.sizes.as_ref().map(|sizes| sizes.max_rel.to_string());
                errors.rows.extend(largest(tally).map(|value| (labels.clone(), value)));
                let floor = noise.outputs.get(name).and_then(largest);
                floors.rows.extend(floor.map(|value| (labels, value)));
            }
        }
    }
    vec![copies, drops, pairs, outputs, errors, floors]
}
