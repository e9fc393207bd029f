//! What a version answered, as far as a label that comes later is compared with it.

use super::units::Version;
use smallvec::SmallVec;

/// Rows of a request whose answer has an id: each takes some of a header.
pub const MOST_ROWS: usize = 8;

/// Row by row, at least one and at most [`MOST_ROWS`]; all numbers are finite.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicted {
    /// The place of the largest of its numbers, the first of those that are equal, and that number.
    Classes(SmallVec<[(u32, f32); 1]>),
    Numbers(SmallVec<[f64; 1]>),
}

impl Predicted {
    pub fn rows(&self) -> usize {
        match self {
            Predicted::Classes(rows) => rows.len(),
            Predicted::Numbers(rows) => rows.len(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Prediction<'a> {
    pub model: &'a str,
    pub version: Version,
    /// Seconds since 1970.
    pub made_s: u32,
    /// How long a label may take.
    pub within_hours: u16,
    /// No other prediction has it.
    pub nonce: u64,
    pub predicted: Predicted,
}
