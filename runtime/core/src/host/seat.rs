//! What a batch owes one of its calls.

use super::behalf::Behalf;
use crate::base::{
    call::{Call, Reply, Tensors},
    device::OnDevice,
    fault::Fault,
    inference::Parameters,
    units::{CallId, Rows, Tick},
};
use std::sync::Arc;

/// One call's place in a batch.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) reply: Reply,
    pub(super) rows: Rows,
    pub(super) queue_ns: u64,
    /// Kept where the call may have to run again. Boxed: others would be moved about with room for it.
    again: Option<Box<Again>>,
    /// The model (or we) found its input unfit: its answer, whatever becomes of the batch.
    pub(super) refused: Option<Fault>,
    pub(super) parameters: Parameters,
    /// Outputs that its caller gets in its memory on a device, and inputs that are there.
    pub(super) on_device: Option<Arc<OnDevice>>,
    pub(super) behalf: Behalf,
}

/// What of a call its answer does not need.
#[derive(Debug)]
struct Again {
    id: CallId,
    inputs: Tensors,
    arrived: Tick,
    level: u8,
    attempt: u8,
}

impl Seat {
    /// `keeps`: the call may run again.
    pub(super) fn new(call: Call, sealed: Tick, keeps: bool) -> Seat {
        let Call {
            id,
            inputs,
            rows,
            parameters,
            arrived,
            deadline,
            level,
            attempt,
            on_device,
            callers,
            reply,
            ..
        } = call;
        let again = keeps.then(|| Box::new(Again { id, inputs, arrived, level, attempt }));
        let queue_ns = nanos(arrived, sealed);
        Seat {
            reply,
            rows,
            queue_ns,
            again,
            refused: None,
            parameters,
            on_device,
            behalf: Behalf { deadline, callers },
        }
    }

    pub(super) fn can_run_again(&self) -> bool {
        self.again.is_some() && self.refused.is_none()
    }

    pub(super) fn into_call(self) -> Option<Call> {
        let Seat { reply, rows, parameters, again, on_device, behalf, .. } = self;
        let Behalf { deadline, callers } = behalf;
        let Again { id, inputs, arrived, level, attempt } = *again?;
        let (credit, slot) = (0, None); // of versions that have neither parts nor sequences
        Some(Call {
            id,
            inputs,
            rows,
            parameters,
            arrived,
            deadline,
            level,
            attempt,
            credit,
            slot,
            on_device,
            callers,
            reply,
        })
    }
}

fn nanos(from: Tick, to: Tick) -> u64 {
    u64::try_from(to.since(from).as_nanos()).unwrap_or(u64::MAX)
}
