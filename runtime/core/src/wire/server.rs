//! What this server calls itself, on every protocol.

pub const NAME: &str = "headrace";
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Extensions of the Open Inference Protocol that are really there: clients look here before they use one.
pub const EXTENSIONS: &[&str] = &[
    "binary_tensor_data",
    "generate",
    "model_configuration",
    "model_repository",
    "parameters",
    "sequence",
    "statistics",
];
