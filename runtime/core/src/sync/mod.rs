//! Counting who is inside, and closing without losing anybody.

pub mod gate;
#[cfg(test)]
#[cfg(headrace_loom)]
mod models;
mod turnstile;
