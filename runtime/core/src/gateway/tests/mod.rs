//! The gateway against carriers that do as they are told, under paused time.

mod affinity;
mod apart;
mod bench;
mod change;
mod cut;
mod demand;
mod ending;
mod ensembles;
mod evidence;
mod interleavings;
mod leaving;
mod loss;
#[cfg(headrace_loom)]
mod models;
#[cfg(headrace_loom)]
mod part_models;
mod parts;
mod poison;
mod profiles;
mod races;
mod shadow_bounds;
mod shadow_worst;
mod shadows;
mod split;
pub(in crate::gateway) mod spout;
mod urgency;
mod users;
mod ways;
mod whole;
