//! Calls that a carrier has: found by id when they are settled.

use super::{
    mailbox::Mailbox,
    parts::Parts,
    pending::{Caller, Pending},
    seat::Seat,
    suspects::{Of, Suspects},
};
use crate::base::{
    call::{Carrier, Tensors},
    fault::Fault,
    primitive::Mutex,
    units::CallId,
    units::Tick,
};
use compact_str::CompactString;
use rustc_hash::FxHashMap;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Flight {
    pub(in crate::gateway) pending: Box<Pending>,
    pub(in crate::gateway) seat: Seat,
}

/// Who asked, as far as others need to know that are asked for it.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Asker {
    pub(in crate::gateway) id: CompactString,
    pub(in crate::gateway) facts: Vec<(CompactString, CompactString)>,
    pub(in crate::gateway) traced: bool,
    pub(in crate::gateway) callers: Option<crate::base::callers::Callers>,
}

type Shard = Mutex<FxHashMap<CallId, Flight>>;

/// Callers' threads insert while hosts' threads take out: with so many parts they rarely meet.
const SHARDS: usize = 16;

/// Bytes of inputs that are hashed for a caller who leaves: some 60 µs.
const MOST_HASHED: usize = 64 << 10;

fn weight(inputs: &Tensors) -> usize {
    inputs.iter().map(|tensor| tensor.data.len()).sum()
}

#[derive(Debug, Default)]
pub(in crate::gateway) struct Flights {
    shards: [Shard; SHARDS],
}

impl Flights {
    #[expect(clippy::indexing_slicing, reason = "a remainder by the length is in range")]
    fn shard(&self, call: CallId) -> &Shard {
        let at = usize::try_from(call.0 % 16).unwrap_or(0);
        &self.shards[at % SHARDS]
    }

    pub(super) fn insert(&self, flight: Flight) {
        self.shard(flight.pending.id).lock().insert(flight.pending.id, flight);
    }

    /// `None` for a call that was settled before.
    pub(super) fn take(&self, call: CallId) -> Option<Flight> {
        self.shard(call).lock().remove(&call)
    }

    /// The caller gave up, or is given up: counted as failed with `fault`, its inputs let go. The flight itself stays until
    /// the carrier settles it, because its rows are out until then; what its inputs are known by stays with it, for the
    /// carrier may yet be lost with them. Returns the caller, and whom to tell.
    pub(in crate::gateway) fn forsake(
        &self,
        call: CallId,
        fault: &Fault,
        suspects: &Suspects,
        now: Tick,
    ) -> Option<(Caller, Arc<dyn Carrier>)> {
        let mut shard = self.shard(call).lock();
        let flight = shard.get_mut(&call)?;
        let caller = flight.pending.caller.take()?;
        let inputs = std::mem::take(&mut flight.pending.inputs);
        let on_device = flight.pending.on_device.clone(); // which its carrier may look at until it has settled
        flight.pending.record(fault.kind, &fault.note, Default::default(), now);
        let (to, mut suspicion) = (Arc::clone(&flight.seat.carrier), flight.pending.suspicion);
        let service = Arc::clone(&flight.pending.service);
        drop(shard); // before the inputs: to hash and to free them is work
        if weight(&inputs) <= MOST_HASHED {
            let of = Of {
                model: &service.model,
                version: service.version,
                inputs: &inputs,
                on_device: on_device.as_deref(),
            };
            suspicion.know(suspects, of);
            if let Some(flight) = self.shard(call).lock().get_mut(&call) {
                flight.pending.suspicion = suspicion;
            }
        }
        Some((caller, to))
    }

    /// Where a part of an answer goes.
    pub(super) fn reader(&self, call: CallId) -> Option<(Arc<Parts>, Option<Arc<Mailbox>>)> {
        let shard = self.shard(call).lock();
        let Pending { parts, mailbox, .. } = &*shard.get(&call)?.pending;
        parts.clone().map(|parts| (parts, mailbox.clone()))
    }

    /// What whoever it sends on is to have of it.
    pub(in crate::gateway) fn asker(&self, call: CallId) -> Option<Asker> {
        let shard = self.shard(call).lock();
        let Pending { name, facts, traced, callers, .. } = &*shard.get(&call)?.pending;
        let (id, facts, callers) = (name.clone(), facts.clone(), callers.clone());
        Some(Asker { id, facts, traced: *traced, callers })
    }

    pub(in crate::gateway) fn carrier(&self, call: CallId) -> Option<Arc<dyn Carrier>> {
        self.shard(call).lock().get(&call).map(|flight| Arc::clone(&flight.seat.carrier))
    }

    /// As they are now: they come and go.
    pub(in crate::gateway) fn calls(&self) -> Vec<CallId> {
        self.shards.iter().flat_map(|shard| shard.lock().keys().copied().collect::<Vec<_>>()).collect()
    }

    pub(in crate::gateway) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}
