//! The gateway against carriers that do as they are told, under paused time.

mod bench;
mod ways;
mod whole;
