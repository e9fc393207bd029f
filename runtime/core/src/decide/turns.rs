//! Whose turn it is in sequences: what becomes of a request that comes, and whom the end of one concerns.

use crate::base::sequence::Correlation;
use smallvec::SmallVec;

/// What becomes of a request that comes.
#[derive(Debug, PartialEq, Eq)]
pub enum Entered<T> {
    /// It is its turn, in this slot.
    Ready(u32, T),
    /// It waits for its turn, or for a slot.
    Waits,
    /// It is not the first of its sequence, which is not known.
    NotStarted(T),
}

/// How a request that was out has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The model has had it; `end`: it was the last one.
    Ran { end: bool },
    /// The model has not; `start`: it was to begin its sequence anew, and what was before is over all the same.
    Left { start: bool },
}

/// Whom an end concerns.
#[derive(Debug, PartialEq, Eq)]
pub struct Moved<T> {
    /// It is their turn.
    pub ready: SmallVec<[(u32, T); 1]>,
    /// Their sequence was over before their turn.
    pub not_started: Vec<(Correlation, T)>,
}

impl<T> Default for Moved<T> {
    fn default() -> Moved<T> {
        Moved { ready: SmallVec::new(), not_started: Vec::new() }
    }
}
