//! What stands in for tokio's types does as they do: every short sequence of steps, on both, side by side. And what
//! stands in for parking_lot's is a lock.

use super::{
    Mutex, MutexGuard, Notify,
    model::{self, check},
    oneshot, thread,
};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::<Bell>::default();
    (Arc::clone(&bell), bell.into())
}

/// All sequences of `len` digits below `base`, some at a time: one run of a model can only take so many steps.
fn sequences(base: usize, len: u32, each: fn(&[usize])) {
    let all = base.pow(len);
    for begin in (0..all).step_by(256) {
        let run = move || {
            for number in begin..all.min(begin + 256) {
                let digits: Vec<_> = (0..len).map(|at| number / base.pow(at) % base).collect();
                each(&digits);
            }
        };
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 10_000;
        builder.check(run);
    }
}

fn ready(future: &mut Pin<Box<impl Future>>, waker: &Waker) -> bool {
    future.as_mut().poll(&mut Context::from_waker(waker)).is_ready()
}

type Seen = Vec<(bool, u32, u32)>;

macro_rules! notices {
    ($notify:expr, $steps:expr) => {{
        let notify = $notify;
        let ((first, first_waker), (second, second_waker)) = (bell(), bell());
        let mut slots = [None, None];
        let mut seen = Seen::new();
        for step in $steps {
            let mut done = false;
            match step {
                0 | 1 => slots[*step] = Some(Box::pin(notify.notified())),
                2 | 3 => slots[step - 2] = None,
                4 | 5 => {
                    let waker = if *step == 4 { &first_waker } else { &second_waker };
                    done = slots[step - 4].as_mut().is_some_and(|slot| ready(slot, waker));
                }
                6 => notify.notify_one(),
                _ => notify.notify_waiters(),
            }
            seen.push((done, first.0.load(Relaxed), second.0.load(Relaxed)));
        }
        drop(slots);
        seen
    }};
}

#[test]
fn notices_are_those_of_tokio() {
    sequences(8, 6, |steps| {
        let (ours, theirs) = (notices!(Notify::new(), steps), notices!(tokio::sync::Notify::new(), steps));
        assert_eq!(ours, theirs, "{steps:?}");
    });
}

macro_rules! letters {
    ($kind:ident, $steps:expr) => {{
        let (sender, receiver) = $kind::channel::<u32>();
        let (mut sender, mut receiver) = (Some(sender), Some(receiver));
        let (bell, waker) = bell();
        let (mut over, mut seen) = (false, Vec::new());
        for step in $steps {
            let said = match step {
                0 => sender.take().map_or(0, |sender| 1 + u32::from(sender.send(7).is_ok())),
                1 => u32::from(sender.take().is_some()),
                2 => sender.as_ref().map_or(9, |sender| u32::from(sender.is_closed())),
                3 => receiver.as_mut().map_or(9, |receiver| {
                    u32::from({
                        receiver.close();
                        true
                    })
                }),
                4 if !over => receiver.as_mut().map_or(9, |receiver| match receiver.try_recv() {
                    Ok(value) => {
                        over = true;
                        value
                    }
                    Err($kind::error::TryRecvError::Empty) => 1,
                    Err($kind::error::TryRecvError::Closed) => {
                        over = true;
                        2
                    }
                }),
                5 if !over => receiver.as_mut().map_or(9, |receiver| {
                    match Pin::new(receiver).poll(&mut Context::from_waker(&waker)) {
                        Poll::Pending => 1,
                        Poll::Ready(end) => {
                            over = true;
                            end.unwrap_or(2)
                        }
                    }
                }),
                6 => u32::from(receiver.take().is_some()),
                _ => 0,
            };
            seen.push((said, bell.0.load(Relaxed)));
        }
        seen
    }};
}

#[test]
fn a_letter_is_one_of_tokio() {
    sequences(7, 6, |steps| {
        use tokio::sync::oneshot as theirs;
        assert_eq!(letters!(oneshot, steps), letters!(theirs, steps), "{steps:?}");
    });
}

#[test]
fn a_lock_is_held_by_one_also_after_it_was_let_go_for_a_while() {
    check("lock", 3, || {
        let sum = Arc::new(Mutex::new(0));
        let add = |sum: &Mutex<u32>| {
            let mut guard = sum.lock();
            let before = *guard;
            thread::yield_now();
            *guard = before + 1;
            MutexGuard::unlocked(&mut guard, thread::yield_now);
            *guard += 1;
        };
        let other = model::spawn({
            let sum = Arc::clone(&sum);
            move || add(&sum)
        });
        add(&sum);
        other.join().unwrap();
        assert_eq!(*sum.lock(), 4);
    });
}
