//! Codecs that touch no socket.

pub mod absent;
pub mod asking;
pub mod budget;
pub mod compress;
mod fit;
pub mod frame;
mod frame_contract;
pub mod frame_decode;
pub mod frame_encode;
pub mod frame_meta;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod frame_testing;
#[cfg(test)]
mod frame_tests;
pub mod json;
pub mod labels;
mod limits;
pub mod oip_proto;
pub mod prediction;
pub mod raw;
pub mod server;
mod shared;
