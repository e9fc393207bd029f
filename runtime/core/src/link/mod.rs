//! Both ends of the link between a gateway and the hosts of its node: frames over a Unix socket, large tensors
//! as offsets into memory that the other side maps.
//!
//! The gateway dials. Carriers appear in its roster as hosts say what they carry, and vanish with the socket.

use crate::base::{
    call::{Carrier, Window},
    contract::Contract,
    units::Version,
};
use std::fmt;
use std::sync::Arc;

/// A version that a host takes calls for.
#[derive(Clone, Debug)]
pub struct Carried {
    pub contract: Arc<Contract>,
    pub carrier: Arc<dyn Carrier>,
    pub window: Window,
}

/// What a host carries at this moment, as its links ask for it.
pub trait Intakes: Send + Sync + fmt::Debug {
    /// `None`: not here. The gateway is told and tries elsewhere.
    fn find(&self, model: &str, version: Version) -> Option<Carried>;

    /// Everything, in any order. Asked when a gateway connects and after each change.
    fn carried(&self) -> Vec<Carried>;
}
