//! Calls that a carrier has: found by id when they are settled.

use super::{carriers::Seat, pending::Pending};
use crate::base::{call::Carrier, fault::Kind, primitive::Mutex, units::CallId, units::Tick};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Flight {
    pub(super) pending: Box<Pending>,
    pub(super) seat: Seat,
}

/// Call ids are ours and count up, so nobody can make them collide; one multiplication spreads them.
#[derive(Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // The lowest bits chose the part; left in, they would leave most of its buckets empty.
        self.0 = (id / 16).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

type Shard = Mutex<HashMap<CallId, Flight, BuildHasherDefault<Spread>>>;

/// Callers' threads insert while hosts' threads take out: with so many parts they rarely meet.
const SHARDS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Flights {
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

    /// The caller gave up: counted as `kind`, its inputs let go. The flight itself stays until the carrier
    /// settles it, because its rows are out until then. Returns whom to tell.
    pub(super) fn forsake(&self, call: CallId, kind: Kind, now: Tick) -> Option<Arc<dyn Carrier>> {
        let mut shard = self.shard(call).lock();
        let flight = shard.get_mut(&call)?;
        flight.pending.caller.take()?;
        let inputs = std::mem::take(&mut flight.pending.inputs);
        flight.pending.record(Some(kind), Default::default(), now);
        let to = Arc::clone(&flight.seat.carrier);
        drop(shard); // before the inputs: to free them may be work
        drop(inputs);
        Some(to)
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hash;

    #[test]
    fn ids_that_count_up_are_spread() {
        let tops: std::collections::HashSet<u64> = (0..128)
            .map(|id| {
                let mut spread = Spread::default();
                CallId(id * 16).hash(&mut spread);
                spread.finish() >> 57 // what the table tells its groups apart by
            })
            .collect();
        assert!(tops.len() > 64, "{} of 128", tops.len());
    }
}
