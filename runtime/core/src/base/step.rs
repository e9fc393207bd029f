//! A model that is asked for a part of what a version answers.

use super::units::Version;
use compact_str::CompactString;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which one, and which tensors of the version it reads and makes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub model: CompactString,
    /// `None`: as the model's traffic says.
    pub version: Option<Version>,
    /// The model's own names → the version's.
    pub inputs: BTreeMap<CompactString, CompactString>,
    pub outputs: BTreeMap<CompactString, CompactString>,
}
