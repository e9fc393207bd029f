//! A call: an inference bound to one version's contract, on its way to a model and back.
//!
//! Whoever holds a [`Call`] owes its [`Reply`] exactly one outcome; dropping it pays with a fault.

use super::{
    callers::Callers,
    contract::Contract,
    device::OnDevice,
    fault::{Fault, Phase},
    inference::Parameters,
    numbered::numbered,
    step::Step,
    tensor::Tensor,
    units::{CallId, Rows, Tick},
};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Tensors in the contract's order.
pub type Tensors = SmallVec<[Tensor; 2]>;

/// An inference that fits its contract: every input there, in order, of one batch size.
#[derive(Debug)]
pub struct Call {
    pub id: CallId,
    pub inputs: Tensors,
    pub rows: Rows,
    pub parameters: Parameters,
    /// When it came to this process.
    pub arrived: Tick,
    /// After this nobody waits for it.
    pub deadline: Tick,
    /// Of its priority: 1 is the highest.
    pub level: u8,
    /// 0 at first; a call that was in flight in a crash runs alone.
    pub attempt: u8,
    /// Parts that may be on their way before their reader asked for more; 0: it wants one answer.
    pub credit: u32,
    /// Of its sequence, once its host has given it one.
    pub slot: Option<u32>,
    /// Tensors that are in its caller's memory on a device.
    pub on_device: Option<Arc<OnDevice>>,
    /// Of one that a model made.
    pub callers: Option<Callers>,
    pub reply: Reply,
}

/// Durations in nanoseconds of one call's way through a host, and the rows of the batch it ran in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    pub queue_ns: u64,
    pub input_ns: u64,
    pub infer_ns: u64,
    pub output_ns: u64,
    pub batch_rows: u32,
    pub sealed: Sealed,
}

impl Timing {
    /// What its run took, from sealed to answered, but for waiting for the model. Calls of one batch have the same.
    pub fn run(&self) -> Duration {
        let parts = [self.input_ns, self.infer_ns, self.output_ns];
        Duration::from_nanos(parts.into_iter().fold(0, u64::saturating_add))
    }
}

/// What a model made of a call: outputs in the contract's order.
#[derive(Clone, Debug, Default)]
pub struct Produced {
    pub outputs: Tensors,
    pub parameters: Parameters,
}

impl Produced {
    /// Bytes of its outputs.
    pub fn bytes(&self) -> usize {
        self.outputs.iter().map(|tensor| tensor.data.len()).sum()
    }
}

/// Bytes of an answer's parts that may be on their way to its reader: with so many, or one part that is larger, a host
/// pauses though it was asked for more, and a reader asks for more when it took half of them. At a trip of a millisecond
/// it is a gigabyte a second; what a thousand requests at work leave unread is one.
pub const PARTS_BYTES: usize = 1 << 20;

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub result: Result<Produced, Fault>,
    pub timing: Timing,
}

numbered! {
    /// Why a batch went when it did, and as large as it was.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    Sealed:
    /// A lane was free, and nobody else waited.
    #[default]
    Free = 0 "free",
    /// No other fitted in.
    Full = 1 "full",
    /// It had been held open for as long as it may be.
    Waited = 2 "waited",
    /// A deadline in it left no time for more.
    Hurried = 3 "hurried",
    /// It holds one that must be alone.
    Alone = 4 "alone",
    /// It is a part of a batch that failed, and that is run again to find out why.
    Again = 5 "again",
    /// It is a step of the requests that are answered in parts.
    Step = 6 "step",
}

/// One run of a model over one batch. Counted by the gateway that sent the batch's first call, so that
/// the number outlives the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    pub rows: u32,
    /// Rows that the model ran besides, because only certain sizes are allowed.
    pub padding: u32,
    /// Bytes of inputs that filled the rows of requests up to one size.
    pub padding_bytes: u64,
    pub sealed: Sealed,
    pub input_ns: u64,
    pub infer_ns: u64,
    pub output_ns: u64,
    /// From the end of the run before, where this one's rows waited for nothing else: the lane was answering. A part of
    /// the cycle that the next request waits for, and of no timing that is told.
    pub between_ns: u64,
    /// Of those rows, where the model counts one; else 0.
    pub cost: u64,
    pub failed: bool,
}

/// Where outcomes go: this process's gateway, or the link back to another's.
pub trait Outlet: Send + Sync + fmt::Debug {
    /// One part of an answer of many; the outcome follows. Sent with the next flush.
    fn emit(&self, call: CallId, part: Produced);

    /// Never blocks, never fails. An outcome for a call that is no longer known is dropped.
    fn settle(&self, call: CallId, outcome: Outcome);

    /// Said before the outcomes of the batch, so that a caller who has its answer finds it counted.
    fn executed(&self, contract: &Contract, execution: Execution);

    /// After the last outcome of a batch: whatever was buffered goes out now.
    fn flush(&self);

    /// Whether anybody still listens behind it.
    fn is_heard(&self) -> bool {
        true
    }
}

/// The duty to answer one call.
#[must_use = "dropping it answers the caller with an internal fault"]
pub struct Reply {
    call: CallId,
    outlet: Option<Arc<dyn Outlet>>,
}

impl Reply {
    pub fn new(call: CallId, outlet: Arc<dyn Outlet>) -> Reply {
        Reply { call, outlet: Some(outlet) }
    }

    pub fn outlet(&self) -> Option<&Arc<dyn Outlet>> {
        self.outlet.as_ref()
    }

    /// One part of an answer of many, without flushing.
    pub fn emit(&self, part: Produced) {
        if let Some(outlet) = &self.outlet {
            outlet.emit(self.call, part);
        }
    }

    /// Hands the outcome over without flushing; a second answer is a compile error.
    pub fn settle(mut self, outcome: Outcome) {
        if let Some(outlet) = self.outlet.take() {
            outlet.settle(self.call, outcome);
        }
    }

    /// One caller's fault, sent at once.
    pub fn refuse(mut self, fault: Fault) {
        if let Some(outlet) = self.outlet.take() {
            outlet.settle(self.call, Outcome { result: Err(fault), timing: Timing::default() });
            outlet.flush();
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(outlet) = self.outlet.take() {
            let fault = Fault::internal("the request was dropped unanswered").at(Phase::Started);
            outlet.settle(self.call, Outcome { result: Err(fault), timing: Timing::default() });
            outlet.flush();
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Reply({})", self.call.0)
    }
}

/// Rows that a carrier takes beyond what it was sent and has not settled: its running batches and the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub rows: Rows,
}

/// A place that runs calls of one version: an intake of this process, or a host behind a link.
pub trait Carrier: Send + Sync + fmt::Debug {
    /// Never blocks. What cannot be taken is refused through the call's own reply.
    fn send(&self, call: Call);

    /// A hint: the caller is gone. The call is still settled exactly once.
    fn cancel(&self, call: CallId);

    /// Its reader took so many parts.
    fn credit(&self, _call: CallId, _parts: u32) {}

    /// The process that runs its calls, where that is another one of this node.
    fn process(&self) -> Option<i32> {
        None
    }

    /// Models that it asks in its turn: without them it answers nothing.
    fn steps(&self) -> &[Step] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<(u64, bool)>>);

    impl Outlet for Seen {
        fn emit(&self, _: CallId, _: Produced) {}
        fn settle(&self, call: CallId, outcome: Outcome) {
            self.0.lock().unwrap().push((call.0, outcome.result.is_ok()));
        }
        fn executed(&self, _: &Contract, _: Execution) {}
        fn flush(&self) {}
    }

    #[test]
    fn a_reply_is_given_once_and_never_forgotten() {
        let seen = Arc::new(Seen::default());
        Reply::new(CallId(1), seen.clone())
            .settle(Outcome { result: Ok(Produced::default()), timing: Timing::default() });
        drop(Reply::new(CallId(2), seen.clone()));
        Reply::new(CallId(3), seen.clone()).refuse(Fault::invalid("no"));
        assert_eq!(*seen.0.lock().unwrap(), [(1, true), (2, false), (3, false)]);
    }
}
