//! Memory that tensors live in: the shared arena and the buffers that bodies are read into.

pub mod arena;
pub mod body;
pub mod heap;
mod mapping;
pub mod memfd;
#[cfg(test)]
#[cfg(headrace_loom)]
mod models;
pub mod peer;
pub mod region;

/// Up to here a tensor travels inside its frame: two copies of so little cost less than a lease and its release.
pub const INLINE_BYTES: usize = 64 << 10;
