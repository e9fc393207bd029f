//! Tokio's `oneshot` in one loom lock, held to the original by a test as `notify` is.

use super::Mutex;
use error::TryRecvError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

#[derive(Debug)]
pub struct Sender<T> {
    slot: Option<Arc<Mutex<Slot<T>>>>,
}

#[derive(Debug)]
pub struct Receiver<T> {
    slot: Arc<Mutex<Slot<T>>>,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    /// No value comes any more.
    sent: bool,
    /// No value is taken any more.
    closed: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

pub mod error {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TryRecvError {
        Empty,
        Closed,
    }
}

pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Slot { value: None, sent: false, closed: false, waker: None };
    let slot = Arc::new(Mutex::new(slot));
    (Sender { slot: Some(Arc::clone(&slot)) }, Receiver { slot })
}

impl<T> Sender<T> {
    pub fn send(mut self, value: T) -> Result<(), T> {
        let Some(slot) = self.slot.take() else { unreachable!("sent twice") };
        let mut state = slot.lock();
        state.sent = true;
        if state.closed {
            return Err(value);
        }
        state.value = Some(value);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    pub fn is_closed(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| slot.lock().closed)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let mut state = slot.lock();
        state.sent = true;
        let waker = state.waker.take().filter(|_| !state.closed);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Receiver<T> {
    pub fn close(&mut self) {
        self.slot.lock().closed = true;
    }

    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = self.slot.lock();
        let over = state.sent || state.closed;
        state.value.take().ok_or(if over { TryRecvError::Closed } else { TryRecvError::Empty })
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.lock();
        if let Some(value) = state.value.take() {
            return Poll::Ready(Ok(value));
        }
        if state.sent || state.closed {
            return Poll::Ready(Err(RecvError));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.slot.lock();
        state.closed = true;
        // What was sent and not taken goes with the receiver, outside the lock: its own drop may be work.
        let left = state.value.take();
        drop(state);
        drop(left);
    }
}
