//! What everything else speaks of: numbers with units, the one error, tensors, a model's contract, a call.

pub mod call;
pub mod callers;
pub mod clock;
pub mod contract;
pub mod datatype;
pub mod device;
pub mod fault;
pub mod inference;
pub mod named;
pub(crate) mod numbered;
pub mod panics;
pub mod prediction;
pub mod primitive;
pub mod roster;
pub mod sequence;
pub mod series;
pub mod step;
pub mod strings;
pub mod tensor;
pub mod units;
