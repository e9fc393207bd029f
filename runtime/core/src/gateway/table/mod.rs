//! Which models, versions and hosts there are, as far as the gateway was told.

mod endpoints;
pub(super) mod registry;
pub(super) mod state;
mod upstreams;
pub(super) mod views;
