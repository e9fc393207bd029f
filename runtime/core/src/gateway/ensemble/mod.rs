//! Ensembles: versions whose requests other versions of this gateway answer together, with no host between.
//!
//! One is carried while its models can answer ([`keep`]); its carrier ([`carrier`]) gives each call a task, which asks
//! step by step ([`run`]), each as a request of its own.

mod carrier;
mod composing;
mod keep;
mod run;

pub(super) use composing::Composing;
