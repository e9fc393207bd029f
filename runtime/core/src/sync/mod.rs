//! Counting who is inside, and closing without losing anybody.

pub mod gate;
mod turnstile;
