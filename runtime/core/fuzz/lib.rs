//! What the targets share.

pub mod cost;

/// A fuzz target of one check of `headrace_core::fuzzing`.
#[macro_export]
macro_rules! target {
    ($check:ident) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            headrace_core::fuzzing::$check(data);
            $crate::cost::note(data.len(), headrace_core::fuzzing::cost().bytes);
        });
    };
}
