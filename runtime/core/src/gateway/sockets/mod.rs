//! Connections: who listens, how many there are, and what goes through them.

pub(super) mod crowd;
pub(super) mod flow;
pub(super) mod listen;
pub(super) mod reading;
pub(super) mod resets;
pub(super) mod seats;
