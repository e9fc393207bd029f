//! Tokio's `Notify` in one loom lock. The test below holds it to the original, step by step.

use super::Mutex;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
pub struct Notify {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of a `notify_one` that found nobody.
    permit: bool,
    /// Calls of `notify_waiters`: who was there before is told, whether it was polled or not.
    rounds: u64,
    next: u64,
    /// In the order of their first poll.
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    told: Option<Told>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    One,
    All,
}

#[derive(Debug)]
pub struct Notified<'a> {
    notify: &'a Notify,
    rounds: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Waiting(u64),
    Done,
}

impl Notify {
    pub fn new() -> Notify {
        Notify::default()
    }

    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, rounds: self.state.lock().rounds, stage: Stage::Fresh }
    }

    pub fn notify_one(&self) {
        let waker = self.state.lock().tell_one();
        waker.into_iter().for_each(Waker::wake);
    }

    pub fn notify_waiters(&self) {
        let wakers: Vec<_> = {
            let mut state = self.state.lock();
            state.rounds += 1;
            let untold = state.waiting.iter_mut().filter(|waiter| waiter.told.is_none());
            untold.filter_map(|waiter| waiter.tell(Told::All)).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn tell_one(&mut self) -> Option<Waker> {
        match self.waiting.iter_mut().find(|waiter| waiter.told.is_none()) {
            Some(waiter) => waiter.tell(Told::One),
            None => {
                self.permit = true;
                None
            }
        }
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.waiting.iter().position(|waiter| waiter.number == number)
    }

    fn leave(&mut self, number: u64) -> Option<Waiter> {
        self.position(number).and_then(|at| self.waiting.remove(at))
    }
}

impl Waiter {
    fn tell(&mut self, told: Told) -> Option<Waker> {
        self.told = Some(told);
        self.waker.take()
    }
}

impl Notified<'_> {
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.get_mut().look(None)
    }

    fn look(&mut self, waker: Option<&Waker>) -> bool {
        let mut state = self.notify.state.lock();
        let done = match self.stage {
            Stage::Done => true,
            Stage::Fresh if state.rounds != self.rounds => true,
            Stage::Fresh if state.permit => {
                state.permit = false;
                true
            }
            Stage::Fresh => {
                let number = state.next;
                state.next += 1;
                state.waiting.push_back(Waiter { number, told: None, waker: waker.cloned() });
                self.stage = Stage::Waiting(number);
                false
            }
            Stage::Waiting(number) => {
                let untold = |waiter: &&mut Waiter| waiter.number == number && waiter.told.is_none();
                match (state.waiting.iter_mut().find(untold), waker) {
                    (Some(waiter), Some(waker)) => waiter.waker = Some(waker.clone()),
                    (Some(_), None) => {}
                    (None, _) => drop(state.leave(number)),
                }
                state.position(number).is_none()
            }
        };
        if done {
            self.stage = Stage::Done;
        }
        done
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.get_mut().look(Some(context.waker())) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Notified<'_> {
    /// What it was told alone is passed on.
    fn drop(&mut self) {
        let Stage::Waiting(number) = self.stage else { return };
        let waker = {
            let mut state = self.notify.state.lock();
            let left = state.leave(number);
            if left.is_some_and(|waiter| waiter.told == Some(Told::One)) { state.tell_one() } else { None }
        };
        waker.into_iter().for_each(Waker::wake);
    }
}
