//! What this server calls itself, on every protocol.

pub const NAME: &str = "headrace";
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const ALWAYS: &[&str] = &[
    "binary_tensor_data",
    "generate",
    "model_configuration",
    "model_repository",
    "parameters",
    "sequence",
    "statistics",
];

/// Extensions of the Open Inference Protocol that are really there: clients look here before they use one.
/// `shares_memory`: clients may register shared memory.
pub fn extensions(shares_memory: bool) -> impl Iterator<Item = &'static str> {
    let shared = ["cuda_shared_memory", "system_shared_memory"];
    ALWAYS.iter().copied().chain(shared.into_iter().filter(move |_| shares_memory))
}
