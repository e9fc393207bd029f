//! What a version of a model promises: its tensors and how it wants to be batched.

use super::{
    datatype::Datatype,
    sequence::SequenceBatching,
    tensor::Shape,
    units::{Rows, Version},
};
use compact_str::CompactString;
use serde::Deserialize;

/// One input or output. The shape is without the batch axis; -1 stands for any size.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    pub name: CompactString,
    pub datatype: Datatype,
    pub shape: Vec<i64>,
    /// Of an input: how rows of different sizes share a batch.
    #[serde(default)]
    pub join: Join,
    /// Of an output: the free axes of each row have the sizes of this input's.
    #[serde(default)]
    pub like: Option<CompactString>,
}

impl TensorSpec {
    /// An input whose rows share a batch where they have the same shape, or an output.
    pub fn new(name: impl Into<CompactString>, datatype: Datatype, shape: impl Into<Vec<i64>>) -> TensorSpec {
        TensorSpec { name: name.into(), datatype, shape: shape.into(), join: Join::Stack, like: None }
    }
}

/// How the rows of an input share a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// Only rows of one shape.
    #[default]
    Stack,
    /// Free axes are filled up to one size.
    Pad(Pad),
    /// One behind the other, along their first axis, which is the only free one.
    Ragged,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pad {
    /// One element, little-endian.
    pub fill: u64,
    /// The largest size in the batch is rounded up to a multiple of it; 0 is as 1.
    pub multiple_of: u32,
    /// The sizes that an axis may have, rising; only those that come to the same ones share a batch. Empty: any.
    pub sizes: Vec<u32>,
}

/// Operations of a version's queue; each may change while it serves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batching {
    /// Most rows of a batch, and of a request. At least 1.
    pub max_rows: u32,
    /// The sizes that batches may have, rising; smaller ones are padded. Empty: any size.
    #[serde(default)]
    pub allowed_rows: Vec<u32>,
    /// A request of more rows than a batch is cut into several, whose answers are joined.
    #[serde(default)]
    pub split_oversize: bool,
    /// How long a batch may be held open, counted from its oldest arrival.
    #[serde(default)]
    pub max_delay_ms: f64,
    /// Rows that may wait in a gateway before a request is refused.
    #[serde(default = "default_queue_rows")]
    pub queue_rows: u32,
    /// The deadline of a request that brings none; `None` lets it wait for ever.
    #[serde(default)]
    pub deadline_ms: Option<f64>,
    /// Levels that requests may name; 1 is the highest.
    #[serde(default = "one_level")]
    pub priorities: u8,
    /// The level of a request that names none, or one that there is not; `None`: the lowest.
    #[serde(default)]
    pub default_priority: Option<u8>,
    /// The header or metadata (lower case) that says whom a request is for: within a priority they are served alike.
    #[serde(default)]
    pub tenant_header: Option<CompactString>,
    /// What a request costs is the sum of these; empty: its rows.
    #[serde(default)]
    pub cost: Vec<Term>,
    /// Most cost of a batch, or of the sequences at work together; `None`: any.
    #[serde(default)]
    pub max_cost: Option<u64>,
}

/// What is counted of a request: `rows`, or `{elements: NAME}` and the like of an input.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    Rows,
    Elements(CompactString),
    /// Without the lengths of BYTES.
    Bytes(CompactString),
    /// The sum of its values; integers that are not negative.
    Value(CompactString),
}

impl Term {
    pub fn input(&self) -> Option<&CompactString> {
        match self {
            Term::Rows => None,
            Term::Elements(input) | Term::Bytes(input) | Term::Value(input) => Some(input),
        }
    }
}

impl Default for Batching {
    fn default() -> Batching {
        Batching {
            max_rows: 1,
            allowed_rows: Vec::new(),
            split_oversize: false,
            max_delay_ms: 0.0,
            queue_rows: default_queue_rows(),
            deadline_ms: None,
            priorities: 1,
            default_priority: None,
            tenant_header: None,
            cost: Vec::new(),
            max_cost: None,
        }
    }
}

/// That one request may be cut into: each costs some hundred bytes beside its rows, and a copy of its parameters.
pub const MOST_PARTS: u32 = 256;

impl Batching {
    /// As many rows as the model sees in a batch of so many: the next size that it may have.
    pub fn padded(&self, rows: Rows) -> Rows {
        let allowed = self.allowed_rows.iter().find(|allowed| **allowed >= rows.get());
        allowed.map_or(rows, |allowed| Rows::new(*allowed))
    }

    /// The largest size that a batch of up to so many rows may have; the smallest, if all are larger.
    pub fn fitting(&self, most: Rows) -> Rows {
        let fits = self.allowed_rows.iter().rev().find(|allowed| **allowed <= most.get());
        fits.or(self.allowed_rows.first()).map_or(most, |allowed| Rows::new(*allowed))
    }

    /// What the time of a batch is learned over: its cost, where its model counts one, or else the rows that the model sees.
    pub fn measure(&self, rows: Rows, cost: u64) -> u64 {
        if self.cost.is_empty() { self.padded(rows).get().into() } else { cost }
    }

    /// Rows that may wait of one tenant where nobody else waits: as many again are left to others.
    fn most_of_tenant(&self) -> u32 {
        if self.tenant_header.is_some() { self.queue_rows / 2 } else { self.queue_rows }
    }

    /// Rows that a request may have.
    pub fn most_of_request(&self) -> u32 {
        let whole = self.max_rows.max(1);
        match self.split_oversize {
            true => self.most_of_tenant().min(whole.saturating_mul(MOST_PARTS)).max(whole),
            false => whole,
        }
    }

    /// As Triton counts them: none where requests are not told apart.
    pub fn levels(&self) -> u8 {
        if self.priorities > 1 { self.priorities } else { 0 }
    }

    /// One that there is; 0 where requests are not told apart.
    pub fn default_level(&self) -> u8 {
        let levels = self.levels();
        self.default_priority.filter(|level| (1..=levels).contains(level)).unwrap_or(levels)
    }
}

fn one_level() -> u8 {
    1
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
    /// A request is answered with any number of parts.
    #[serde(default)]
    pub streams: bool,
    /// Tensors have no axis of rows: a request is one row, of which its clients say nothing, and a batch has one.
    #[serde(default)]
    pub unbatched: bool,
    /// The version is stateful: requests of one sequence are answered in order, by one host.
    #[serde(default)]
    pub sequences: Option<Box<SequenceBatching>>,
    /// Answers have ids by which labels that come later are joined with them.
    #[serde(default)]
    pub feedback: Option<Box<Feedback>>,
}

/// Which of a version's answers have an id, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// The place among the outputs of the one that labels are compared with.
    pub output: usize,
    /// How long a label may take.
    pub within_hours: u16,
    /// Of the requests, in ten-thousandths.
    pub share: u32,
}

fn one() -> u32 {
    1
}

impl Contract {
    /// A shape as clients know it, of one row of such sizes.
    pub fn of_one_row(&self, sizes: impl Iterator<Item = i64>) -> Shape {
        let rows = (!self.unbatched).then_some(1);
        rows.into_iter().chain(sizes).collect()
    }

    /// A tensor's shape as clients know it, any count of rows standing as -1.
    pub fn told(&self, spec: &TensorSpec) -> Vec<i64> {
        let rows = (!self.unbatched).then_some(-1);
        rows.into_iter().chain(spec.shape.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_the_next_size_that_is_allowed() {
        let any = Batching::default();
        let some = Batching { allowed_rows: vec![1, 4, 16], ..Batching::default() };
        for (rows, of_any, of_some) in [(1, 1, 1), (2, 2, 4), (4, 4, 4), (5, 5, 16), (17, 17, 17)] {
            let padded = |batching: &Batching| batching.padded(Rows::new(rows)).get();
            assert_eq!((padded(&any), padded(&some)), (of_any, of_some), "{rows}");
        }
        let fitting = |batching: &Batching, most| batching.fitting(Rows::new(most)).get();
        assert_eq!([1, 3, 4, 8, 20].map(|most| fitting(&some, most)), [1, 1, 4, 4, 16]);
        assert_eq!(fitting(&any, 3), 3);
        let large = Batching { allowed_rows: vec![8, 16], ..Batching::default() };
        assert_eq!(fitting(&large, 4), 8, "there is no smaller one");
    }
}
