//! What must hold whatever bytes come: one function for each reader of bytes that others made.
//!
//! A function returns if what was read, or refused, keeps the promises of its reader, and panics if not: the same
//! at any cut, as an independent reader has it, back from its own encoding, within memory, with a message. The
//! fuzzer calls it with what it makes up (`make fuzz`), `cargo test` with what the fuzzer found, from `fuzz/corpus/`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a promise that is broken stops the fuzzer"
)]

mod echo;
mod fit;
mod frames;
mod generate;
mod grpc;
mod http;
mod images;
mod inflate;
mod json;
mod json_reference;
mod labels;
mod memory;
mod policy;
mod proto;
mod proto_reference;
mod raw;
#[cfg(test)]
mod replay_tests;

pub use frames::any_frames;
pub use generate::any_generate;
pub use grpc::any_grpc;
pub use http::any_http;
pub use images::{any_image, any_orientation};
pub use inflate::any_inflate;
pub use json::any_json;
pub use labels::any_labels;
pub use memory::{Cost, cost};
pub use policy::any_policy;
pub use proto::any_proto;
pub use raw::any_raw;

/// A reader's name, which is that of its folder in `fuzz/corpus/`, and what must hold of it.
pub type Check = (&'static str, fn(&[u8]));

pub const CHECKS: &[Check] = &[
    ("frames", any_frames),
    ("generate", any_generate),
    ("grpc", any_grpc),
    ("http", any_http),
    ("image", any_image),
    ("inflate", any_inflate),
    ("json", any_json),
    ("labels", any_labels),
    ("orientation", any_orientation),
    ("policy", any_policy),
    ("proto", any_proto),
    ("raw", any_raw),
];

use crate::base::fault::{Fault, Kind};

/// What was sent is refused with words, and as the sender's doing.
fn check_refusal(fault: &Fault) {
    assert!(!fault.note.is_empty(), "a refusal without a message: {fault:?}");
    let senders = matches!(fault.kind, Kind::Invalid | Kind::TooLarge | Kind::Unsupported);
    assert!(senders, "bytes are refused as if it was not their sender's doing: {fault:?}");
}
