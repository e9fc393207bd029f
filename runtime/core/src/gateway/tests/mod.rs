//! The gateway against carriers that do as they are told, under paused time.

mod bench;
mod change;
mod interleavings;
mod leaving;
mod loss;
#[cfg(headrace_loom)]
mod models;
mod poison;
mod races;
mod urgency;
mod ways;
mod whole;
