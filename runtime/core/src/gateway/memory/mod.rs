//! Memory that is held for clients: counted before it is taken, and given back when nobody looks at it.

pub(super) mod admission;
mod arriving;
pub(super) mod client;
pub(super) mod ebb;
pub(super) mod growing;
pub(super) mod regions;
pub(super) mod unread;
