//! A version that is other models one behind the other, or beside each other: which tensor goes where.

mod fit;
mod graph;
#[cfg(test)]
mod tests;

pub use fit::misfit;
pub use graph::{Graph, Need, PLATFORM, Planned, Written, needs, way_back};
