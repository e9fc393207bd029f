//! Both ends of the link between a gateway and the hosts of its node: frames over a Unix socket, large tensors
//! as offsets into memory that the other side maps.
//!
//! The gateway dials. Carriers appear in its roster as hosts say what they carry, and vanish with the socket.
//!
//! Memory that was lent is given back by RELEASE, or when the borrower cannot look any more. For a host that
//! moment is the end of the stream: a gateway keeps its socket open for as long as it looks at anything of the
//! host's, even after it gave up the link. For a gateway it is the same moment, because what a host computes for a
//! link that ended is thrown away.

pub mod calls;
#[cfg(test)]
mod conservation_tests;
#[cfg(test)]
mod ears_tests;
mod failure;
#[cfg(test)]
mod fault_tests;
pub mod foreign;
pub mod gateway;
mod grpc;
mod handshake;
pub mod host;
#[cfg(test)]
mod hostile_memory_tests;
#[cfg(test)]
mod hostile_place_tests;
#[cfg(test)]
mod hostile_tests;
mod inbox;
pub mod kept;
#[cfg(test)]
mod kill_tests;
mod leash;
#[cfg(test)]
#[cfg(headrace_loom)]
mod models;
mod on_device;
#[cfg(test)]
mod on_device_tests;
mod outbox;
mod parked;
#[cfg(test)]
mod part_tests;
mod peer;
mod socket;
pub(crate) mod tensors;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::base::{
    call::{Carrier, Window},
    contract::Contract,
    units::{Rows, Version},
};
use std::fmt;
use std::sync::Arc;

/// Where a line for people goes: a link came up, or ended and why.
pub type Log = Arc<dyn Fn(String) + Send + Sync>;

/// A version that a host takes calls for.
#[derive(Clone, Debug)]
pub struct Carried {
    pub contract: Arc<Contract>,
    pub carrier: Arc<dyn Carrier>,
    pub window: Window,
    /// Rows that one gateway may have here, whatever it was told before.
    pub most: Rows,
}

/// What a host carries at this moment, as its links ask for it.
pub trait Intakes: Send + Sync + fmt::Debug {
    /// `None`: not here. The gateway is told and tries elsewhere.
    fn find(&self, model: &str, version: Version) -> Option<Carried>;

    /// Everything, in any order. Asked when a gateway connects and after each change.
    fn carried(&self) -> Vec<Carried>;
}
