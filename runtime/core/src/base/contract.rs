//! What a version of a model promises: its tensors and how it wants to be batched.

use super::{datatype::Datatype, units::Version};
use compact_str::CompactString;
use serde::Deserialize;

/// One input or output. The shape is without the batch axis; -1 stands for any size.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    pub name: CompactString,
    pub datatype: Datatype,
    pub shape: Vec<i64>,
}

/// Operations of a version's queue; each may change while it serves.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batching {
    /// Most rows of a batch, and of a request. At least 1.
    pub max_rows: u32,
    /// How long a batch may be held open, counted from its oldest arrival.
    #[serde(default)]
    pub max_delay_ms: f64,
    /// Rows that may wait in a gateway before a request is refused.
    #[serde(default = "default_queue_rows")]
    pub queue_rows: u32,
    /// The deadline of a request that brings none; `None` lets it wait for ever.
    #[serde(default)]
    pub deadline_ms: Option<f64>,
}

fn default_queue_rows() -> u32 {
    2048
}

/// Immutable: other tensors mean another version.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    pub model: CompactString,
    pub version: Version,
    /// The backend's name, shown in metadata: `python`, `torch`.
    pub platform: CompactString,
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
    pub batching: Batching,
    /// The same input may run twice: allows retry after a crash.
    #[serde(default)]
    pub repeatable: bool,
    /// Threads that run batches of this version in its host.
    #[serde(default = "one")]
    pub lanes: u32,
}

fn one() -> u32 {
    1
}
