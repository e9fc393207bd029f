//! The rows of a batch whose tensors are in their callers' memory on a device.

use crate::base::{call::Call, device::OnDevice, units::Rows};
use std::sync::Arc;

/// Rows of one call.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its first one.
    pub first: u32,
    pub rows: Rows,
    /// How often its last row is repeated behind it: where only certain sizes are allowed, the last call's is.
    pub repeated: Rows,
    pub on_device: Arc<OnDevice>,
}

/// Of calls that lie one behind the other, in a batch of `padded` rows.
pub(super) fn placed(calls: &[Call], padded: Rows) -> Vec<Placed> {
    let all: u32 = calls.iter().map(|call| call.rows.get()).sum();
    let mut first = 0;
    let mut placed = Vec::new();
    for call in calls {
        let (at, rows) = (first, call.rows);
        first += rows.get();
        if let Some(on_device) = call.on_device.clone() {
            let repeated = if first == all { padded.minus(Rows::new(all)) } else { Rows::ZERO };
            placed.push(Placed { first: at, rows, repeated, on_device });
        }
    }
    placed
}
