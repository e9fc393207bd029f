//! A call to another server of the protocol, whatever it is written as.

use crate::base::{contract::TensorSpec, inference::Parameters, tensor::Tensor};
use compact_str::CompactString;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    pub model: &'a str,
    /// As the other server has it; empty where it is to choose, or knows of none.
    pub version: &'a str,
    pub id: &'a str,
    /// Those that are to be answered; none: all.
    pub outputs: &'a [CompactString],
    pub inputs: &'a [TensorSpec],
    /// One for each input, in that order, with an axis of rows first.
    pub tensors: &'a [Tensor],
    /// The other server knows of no axis of rows: it is left out of what it is told.
    pub unbatched: bool,
    pub parameters: &'a Parameters,
    /// It may answer in parts, and says when that was all.
    pub in_parts: bool,
}

impl Asking<'_> {
    pub(super) fn tensors(&self) -> impl Iterator<Item = (&TensorSpec, &Tensor)> {
        self.inputs.iter().zip(self.tensors)
    }

    pub(super) fn shape<'t>(&self, tensor: &'t Tensor) -> &'t [i64] {
        tensor.shape.get(usize::from(self.unbatched)..).unwrap_or_default()
    }
}
