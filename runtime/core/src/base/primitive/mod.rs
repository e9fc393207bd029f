//! What threads meet in: locks, conditions, atomics, notices. Concurrent code names them here and nowhere else, so
//! that under `cfg(headrace_loom)` a model checker's stand in their place: loom runs a test once for each order in
//! which threads can come to them. In every other build these are the originals, and nothing is between.

#[cfg(not(headrace_loom))]
mod real {
    pub use parking_lot::{Condvar, Mutex, MutexGuard};
    pub use std::sync::atomic;
    pub use std::{thread, thread_local};
    pub use tokio::sync::{Notify, oneshot};
}
#[cfg(not(headrace_loom))]
pub use real::*;

#[cfg(headrace_loom)]
mod lock;
#[cfg(test)]
#[cfg(headrace_loom)]
pub mod model;
#[cfg(test)]
#[cfg(headrace_loom)]
mod models;
#[cfg(headrace_loom)]
mod notify;
#[cfg(headrace_loom)]
pub mod oneshot;
#[cfg(headrace_loom)]
pub use {
    lock::{Condvar, Mutex, MutexGuard},
    loom::{sync::atomic, thread},
    notify::Notify,
};

/// Loom's own macro knows no `const`.
#[cfg(headrace_loom)]
macro_rules! local {
    ($(static $name:ident: $type:ty = const { $init:expr };)*) => {
        $(loom::thread_local! { static $name: $type = $init; })*
    };
}
#[cfg(headrace_loom)]
pub(crate) use local as thread_local;
