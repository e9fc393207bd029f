//! The gateway against carriers that do as they are told, under paused time.

mod bench;
mod change;
mod leaving;
mod loss;
mod ways;
mod whole;
