//! What a panic costs: the one request that met it, which is answered. Each is counted, and said with an id that its
//! caller sees too.

use super::fault::Fault;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::pin::Pin;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;

static COUNT: AtomicU64 = AtomicU64::new(0);
static INSTALLED: Once = Once::new();

thread_local! {
    /// Of this thread's last one, for whoever catches it.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Counts the panics of this library from now on, in the whole process.
pub fn install() {
    if cfg!(headrace_loom) {
        return; // each thread of a model ends by unwinding, thousands of times
    }
    INSTALLED.call_once(|| {
        let before = take_hook();
        // Another start for each process: two processes' ids must not look the same in one log.
        let start = RandomState::new().hash_one(());
        set_hook(Box::new(move |panic| {
            before(panic);
            let number = COUNT.fetch_add(1, Relaxed);
            let id = format!("e-{:010x}", start.wrapping_add(number) & 0xff_ffff_ffff);
            let line = format!("headrace: the panic above is a bug of headrace [error id {id}]\n");
            // In one piece: other threads write there too. Nobody is left to be told if it is closed.
            let _ = std::io::stderr().write_all(line.as_bytes());
            LAST.set(id);
        }));
    });
}

/// Panics since the process began, caught or not.
pub fn count() -> u64 {
    COUNT.load(Relaxed)
}

/// Runs what must not take its caller with it; a fault for the request that it was for.
pub fn survive<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| fault())
}

/// The same for a task, which its caller has pinned: futures of requests are large, and an `async fn` around one
/// would hold it twice, and copy it.
pub fn survive_all<T>(work: Pin<&mut impl Future<Output = T>>) -> impl Future<Output = Result<T, Fault>> {
    let mut work = work;
    poll_fn(move |cx| match survive(|| work.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(fault) => Poll::Ready(Err(fault)),
    })
}

fn fault() -> Fault {
    let id = LAST.with_borrow(Clone::clone);
    Fault::internal(format!("a bug of headrace ended this request; the log has it [error id {id}]"))
}

/// Where a test has a panic planted.
#[cfg(test)]
pub fn trip(place: &str) {
    let planted = PLANTED.lock().remove(place);
    assert!(!planted, "planted at {place}");
}

#[cfg(test)]
static PLANTED: parking_lot::Mutex<std::collections::BTreeSet<&str>> =
    parking_lot::Mutex::new(std::collections::BTreeSet::new());

/// Has the next one who comes by `place` panic, once.
#[cfg(test)]
pub fn plant(place: &'static str) {
    PLANTED.lock().insert(place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    #[test]
    fn a_panic_is_counted_and_told_with_its_id() {
        install();
        let before = count();
        plant("here");
        let told = survive(|| trip("here")).unwrap_err();
        assert!(count() > before);
        assert!(told.note.contains("[error id e-") && !told.note.contains("planted"), "{told}");
        assert_ne!(told, survive(|| panic!("another")).unwrap_err(), "each has an id of its own");
        assert_eq!(survive(|| trip("here")), Ok(()), "it was planted once");
    }

    #[tokio::test]
    async fn a_task_that_panics_later_is_survived_too() {
        install();
        let work = async {
            tokio::task::yield_now().await;
            panic!("late");
        };
        assert!(survive_all::<()>(pin!(work)).await.is_err());
        assert_eq!(survive_all(pin!(async { 7 })).await, Ok(7));
    }
}
