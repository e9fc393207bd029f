//! The request path of Headrace: gateway, link, batching, and the seam to Python.

pub mod base;
pub mod decide;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod gateway;
pub mod host;
pub mod image;
pub mod link;
pub mod mem;
pub mod meter;
#[cfg(feature = "python")]
mod py;
#[cfg(test)]
mod simulation;
pub mod sync;
pub mod wire;
