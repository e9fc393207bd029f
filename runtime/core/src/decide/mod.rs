//! Decisions, pure: no clock, no dice, no lock, no I/O. What they need is an argument.

pub mod admit;
pub mod affinity;
mod behind;
pub mod bisect;
pub mod choice;
pub mod compare;
pub mod correlate;
pub mod cost;
pub mod ensemble;
pub mod extents;
pub mod facts;
pub mod join;
mod lobby;
pub mod mirror;
mod mistakes;
pub mod pace;
pub mod plan;
pub mod policy;
pub mod predicted;
pub mod priority;
pub mod profile;
pub mod queue;
pub mod rank;
pub mod rendezvous;
pub mod retry;
pub mod route;
pub mod shapes;
pub mod slots;
pub mod sticky;
pub mod tally;
pub mod tide;
pub mod times;
pub mod trust;
pub mod turns;
pub mod validate;
pub mod worst;

#[cfg(test)]
mod overload_tests;
