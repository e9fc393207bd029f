//! A request as the protocols' doors hand it in, and an answer as they take it out.

use super::{
    call::Timing, callers::Callers, contract::Contract, device::DeviceRegion, named::Named, tensor::Tensor,
    units::Tick,
};
use compact_str::CompactString;
use smallvec::SmallVec;
use std::sync::Arc;

/// A parameter's value, as the Open Inference Protocol types it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
}

pub type Parameters = Vec<(CompactString, Value)>;

/// Where a caller keeps a tensor instead of sending it: in a region of shared memory that it has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InRegion {
    pub region: CompactString,
    pub offset: u64,
    pub len: u64,
    /// Found by its name to be memory of a device, which is not read here.
    pub device: Option<Arc<DeviceRegion>>,
}

/// One input as it came: not yet checked against any contract.
#[derive(Clone, Debug)]
pub struct Input {
    pub name: CompactString,
    pub tensor: Tensor,
    /// Its data is there, and not in the tensor until it has been read.
    pub region: Option<Box<InRegion>>,
}

/// An output that the caller asked for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: CompactString,
    /// HTTP: as bytes after the JSON (`true`), as JSON (`false`), or as the request's default (`None`).
    pub binary: Option<bool>,
    /// Top-k as `value:index` strings; 0 is off.
    pub classification: u32,
    /// Its data goes there, and not into the answer.
    pub region: Option<Box<InRegion>>,
}

/// Free of any protocol. Wire types stop here.
#[derive(Clone, Debug)]
pub struct Inference {
    pub model: CompactString,
    /// `None`: the router picks.
    pub version: Option<Named>,
    pub id: CompactString,
    pub parameters: Parameters,
    pub inputs: SmallVec<[Input; 2]>,
    /// Empty: all outputs, in the contract's order.
    pub outputs: Vec<Wanted>,
    /// Arrival plus what the caller allows; [`Tick::NEVER`] without a limit.
    pub deadline: Tick,
    pub arrived: Tick,
    /// Headers or metadata that routing may look at: (lower-case name, value), only those the table names.
    pub facts: Vec<(CompactString, CompactString)>,
    /// Its caller asks how it went.
    pub traced: bool,
    /// Of one that a model makes, or that a step of an ensemble is.
    pub callers: Option<Callers>,
}

/// What a caller gets. `outputs` are in the contract's order, only those wanted; names are the contract's.
#[derive(Clone, Debug)]
pub struct Answer {
    pub contract: Arc<Contract>,
    pub id: CompactString,
    pub outputs: SmallVec<[(usize, Tensor); 2]>,
    pub parameters: Parameters,
    pub timing: Timing,
    /// By which a label is joined with it later, as a header says it.
    pub prediction: Option<Box<[u8]>>,
}
