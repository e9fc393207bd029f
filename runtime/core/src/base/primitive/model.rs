//! How models are run: `make loom`.

use loom::thread;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Runs `model` once for each order in which its threads can come to what they share. A thread is interrupted where
/// it need not be at most `preemptions` times (`LOOM_MAX_PREEMPTIONS` overrules): most races need one or two, and
/// each more costs ten times the runs.
pub fn check(name: &'static str, preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 10_000;
    let runs = Runs { name, count: Arc::default() };
    let (count, model) = (Arc::clone(&runs.count), Arc::new(model));
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        let model = Arc::clone(&model);
        spawn(move || model()).join().unwrap();
    });
}

/// A thread of a model, with room for what a request's way puts on the stack: loom's own threads have 32 KB.
pub fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    const WORDS: usize = 32 << 10;
    thread::Builder::new().stack_size(WORDS).spawn(work).unwrap()
}

/// Says how many there were, also when the last of them failed.
struct Runs {
    name: &'static str,
    count: Arc<AtomicU64>,
}

impl Drop for Runs {
    fn drop(&mut self) {
        let _ = writeln!(std::io::stderr(), "{}: {} orders", self.name, self.count.load(Relaxed));
    }
}
