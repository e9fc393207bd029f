//! How unusual each feature is, as who decides that has said it last: for the metrics page.

use crate::base::units::Version;
use crate::meter::{Family, label};
use compact_str::CompactString;
use parking_lot::Mutex;
use serde::Deserialize;

/// Rows of the page, each of which is a time series.
const MOST: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Scores(Mutex<Vec<Score>>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Score {
    model: CompactString,
    version: Version,
    tensor: CompactString,
    feature: CompactString,
    score: f64,
    alarm: bool,
}

impl Scores {
    pub(super) fn take(&self, text: &str) -> Result<(), String> {
        let scores: Vec<Score> =
            serde_json::from_str(text).map_err(|e| format!("the scores do not parse: {e}"))?;
        if scores.len() > MOST {
            return Err(format!("{} scores, at most {MOST} are shown", scores.len()));
        }
        *self.0.lock() = scores;
        Ok(())
    }

    pub(super) fn families(&self, is_profiled: impl Fn(&str, Version) -> bool) -> [Family; 2] {
        let gauge = |name: &'static str, help: &'static str| Family {
            name: name.into(),
            kind: "gauge",
            help: help.into(),
            rows: Vec::new(),
        };
        let mut sizes = gauge(
            "headrace_drift_score",
            "How far a feature of a tensor is from its reference, in bits from 0 to 1",
        );
        let mut alarms = gauge("headrace_drift_alarm", "1 while a feature of a tensor has drifted");
        for one in self.0.lock().iter().filter(|one| is_profiled(&one.model, one.version)) {
            let names = [("model", &one.model), ("tensor", &one.tensor), ("feature", &one.feature)];
            let labels = names.map(|(name, value)| label(name, value)).join(",");
            let labels = format!("{labels},version=\"{}\"", one.version);
            sizes.rows.push((labels.clone(), one.score.to_string()));
            alarms.rows.push((labels, u8::from(one.alarm).to_string()));
        }
        [sizes, alarms]
    }
}
