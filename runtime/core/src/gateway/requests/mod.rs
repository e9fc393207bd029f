//! A request's way through the gateway, in the hands of who asked.

pub(crate) mod answers;
pub(super) mod infer;
pub(super) mod joined;
pub(super) mod later;
pub(super) mod predictions;
pub(super) mod produced;
pub(super) mod shared;
pub(super) mod split;
pub(super) mod stages;
