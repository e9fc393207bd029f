//! Which models, versions and hosts there are, as far as the gateway was told.

mod endpoints;
pub(super) mod registry;
pub(super) mod state;
pub(super) mod views;
