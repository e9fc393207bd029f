//! Counting who is inside, and closing without losing anybody.

pub mod gate;
#[cfg(all(test, headrace_loom))]
mod models;
mod turnstile;
