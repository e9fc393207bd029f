//! The Open Inference Protocol's protobuf messages. ModelInfer's two are read and written by hand, because
//! they carry the tensors and every request pays for them; the rest is generated code.

pub mod answer;
pub mod answered;
#[cfg(test)]
mod answered_tests;
pub mod asking;
mod contents;
#[cfg(test)]
mod contents_tests;
pub(super) mod field;
#[cfg(test)]
mod limits_tests;
pub mod parameters;
pub mod request;
mod rooms;
mod tensors;
#[cfg(test)]
mod tests;
pub mod told;

/// Generated from `proto/`: package `inference`.
#[allow(missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
pub mod messages {
    include!(concat!(env!("OUT_DIR"), "/inference.rs"));
}

/// Generated from `proto/health.proto`.
#[allow(missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
pub mod health {
    include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));
}
