//! What a call has of a carrier until it is settled.

use crate::base::{call::Carrier, roster::CarrierId, units::Rows};
use std::sync::Arc;

/// What a call asks of a carrier.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    Among(Rows),
    /// A host died with it, and calls take long, or others wait for what comes after them: among them, but with no other
    /// that is suspected. Should it be what killed the first, it is known then.
    Apart(Rows),
    /// A host died with it: it gets the whole window of an idle carrier. Should it be what killed the first, the
    /// second dies with nobody else's call in flight.
    Alone(Rows),
}

/// Rows of a carrier's window that a call holds until it is settled.
#[derive(Debug)]
pub(in crate::gateway) struct Seat {
    pub(in crate::gateway) id: CarrierId,
    pub(in crate::gateway) carrier: Arc<dyn Carrier>,
    pub(in crate::gateway) rows: Rows,
    pub(super) level: u8,
    /// Of the first request of a sequence.
    pub(super) begins: bool,
    pub(super) apart: bool,
}

impl Seat {
    pub(super) fn given_back(&self) -> GivenBack {
        GivenBack {
            carrier: self.id,
            rows: self.rows,
            level: self.level,
            begins: self.begins,
            apart: self.apart,
        }
    }
}

/// What a settled call gives back.
#[derive(Clone, Copy, Debug)]
pub(super) struct GivenBack {
    pub(in crate::gateway) carrier: CarrierId,
    pub(super) rows: Rows,
    pub(super) level: u8,
    pub(super) begins: bool,
    pub(super) apart: bool,
}
