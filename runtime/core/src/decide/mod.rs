//! Decisions, pure: no clock, no dice, no lock, no I/O. What they need is an argument.

pub mod plan;
pub mod policy;
pub mod retry;
pub mod route;
pub mod validate;
