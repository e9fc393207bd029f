//! Work on images, on a few threads.

use parking_lot::Mutex;
use std::num::NonZeroUsize;

/// Does each of `count` pieces of work once, with what its thread keeps between them.
///
/// At most `threads` do it, the caller's own one of them, and none for less than a piece: starting a thread costs about
/// 30 µs, an image takes longer.
pub(super) fn on_threads<W, K>(
    work: impl Iterator<Item = W> + Send,
    count: usize,
    threads: NonZeroUsize,
    kept: impl Fn() -> K + Sync,
    each: impl Fn(&mut K, W) + Sync,
) {
    // One lock a piece, held for a step of the iterator.
    let work = Mutex::new(work);
    let worker = || {
        let mut kept = kept();
        loop {
            let next = work.lock().next();
            let Some(one) = next else { break };
            each(&mut kept, one);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get().min(count) {
            let named = std::thread::Builder::new().name("images".into());
            if named.spawn_scoped(scope, worker).is_err() {
                break; // no more threads to be had: the caller's own does the work
            }
        }
        worker();
    });
}
