//! Memory of a device that callers registered, by the handle under which another process may open it
//! (`cudaIpcMemHandle_t`).
//!
//! A gateway knows where it is and never touches it. Calls that name it hold it, and so does the host that runs them: it
//! ends when the last of them is over, wherever that is, and whoever takes it back waits for that end.

use crate::base::primitive::Mutex;
use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

/// Of a `cudaIpcMemHandle_t`.
pub const HANDLE_BYTES: usize = 64;

pub type Handle = [u8; HANDLE_BYTES];

#[derive(Debug)]
pub struct DeviceRegion {
    /// Its gateway never gives it again.
    pub number: u64,
    pub handle: Handle,
    /// As the driver counts the node's, by their place on the bus.
    pub device: u32,
    pub byte_size: u64,
    opened: OnceLock<Box<dyn Opened>>,
    /// Who passed it on to a host.
    senders: Mutex<Vec<Weak<dyn Sender>>>,
    end: Option<Arc<End>>,
}

/// What a host has of a region that it opened.
pub trait Opened: Any + fmt::Debug + Send + Sync {
    /// Closes it, on any thread; lets go of `end` when that is done.
    fn close(self: Box<Self>, end: Arc<End>);
}

/// Who told a host of a region.
pub trait Sender: fmt::Debug + Send + Sync {
    /// No call names it any more, and none will.
    fn is_over(&self, number: u64);
}

/// Of a region: nobody looks at it any more once the last one lets go of this.
pub struct End(Option<Box<dyn FnOnce() + Send + Sync>>);

/// A part of a region where a tensor lies, or is to go.
#[derive(Clone, Debug)]
pub struct Span {
    /// Position among the contract's inputs or outputs.
    pub tensor: usize,
    pub region: Arc<DeviceRegion>,
    pub offset: u64,
    /// Of an input the bytes of its tensor; an output has at most so many.
    pub byte_size: u64,
}

/// Which of a call's tensors are in their caller's memory on a device. Their data is in no message.
#[derive(Clone, Debug, Default)]
pub struct OnDevice {
    pub inputs: Vec<Span>,
    pub outputs: Vec<Span>,
}

impl DeviceRegion {
    /// `end` is held until nobody looks at it any more.
    pub fn new(number: u64, handle: Handle, device: u32, byte_size: u64, end: End) -> DeviceRegion {
        let (opened, senders, end) = (OnceLock::new(), Mutex::default(), Some(Arc::new(end)));
        DeviceRegion { number, handle, device, byte_size, opened, senders, end }
    }

    /// Whether `len` bytes from `at` on lie in it.
    pub fn has(&self, at: u64, len: u64) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.byte_size)
    }

    /// As it was opened here, if it was.
    pub fn opened(&self) -> Option<&dyn Opened> {
        self.opened.get().map(|opened| &**opened)
    }

    /// It was opened, and is to be closed at the end. The second one comes back: it was open.
    pub fn keep(&self, opened: Box<dyn Opened>) -> Result<(), Box<dyn Opened>> {
        self.opened.set(opened)
    }

    /// `sender` tells a host of it, which will look at it until it has said that it does not: what comes back is to be
    /// held so long.
    pub fn sent_by(&self, sender: Weak<dyn Sender>) -> Option<Arc<End>> {
        let mut senders = self.senders.lock();
        senders.retain(|known| known.strong_count() > 0); // links come and go
        senders.push(sender);
        self.end.clone()
    }
}

impl Drop for DeviceRegion {
    fn drop(&mut self) {
        for sender in std::mem::take(&mut *self.senders.lock()) {
            if let Some(sender) = sender.upgrade() {
                sender.is_over(self.number);
            }
        }
        if let (Some(opened), Some(end)) = (self.opened.take(), self.end.take()) {
            opened.close(end);
        }
    }
}

/// One and the same.
impl PartialEq for DeviceRegion {
    fn eq(&self, other: &DeviceRegion) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for DeviceRegion {}

impl End {
    pub fn new(tell: impl FnOnce() + Send + Sync + 'static) -> End {
        End(Some(Box::new(tell)))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell();
        }
    }
}

impl fmt::Debug for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("End")
    }
}

impl OnDevice {
    pub fn input(&self, tensor: usize) -> Option<&Span> {
        self.inputs.iter().find(|span| span.tensor == tensor)
    }

    pub fn output(&self, tensor: usize) -> Option<&Span> {
        self.outputs.iter().find(|span| span.tensor == tensor)
    }

    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.outputs.is_empty()
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    /// A region of 64 bytes on device 0, and whether it has come to its end.
    pub fn region(number: u64) -> (Arc<DeviceRegion>, Arc<AtomicBool>) {
        let ended = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&ended);
        let end = End::new(move || tell.store(true, SeqCst));
        let handle = [u8::try_from(number).unwrap(); HANDLE_BYTES];
        (Arc::new(DeviceRegion::new(number, handle, 0, 64, end)), ended)
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::region, *};
    use std::sync::atomic::Ordering::SeqCst;

    #[derive(Debug, Default)]
    struct Noted(Mutex<Vec<u64>>);

    impl Sender for Noted {
        fn is_over(&self, number: u64) {
            self.0.lock().push(number);
        }
    }

    #[derive(Debug)]
    struct Mapping(Arc<Mutex<Option<Arc<End>>>>);

    impl Opened for Mapping {
        fn close(self: Box<Self>, end: Arc<End>) {
            *self.0.lock() = Some(end);
        }
    }

    #[test]
    fn it_ends_when_the_last_one_has_let_go_and_closed_it() {
        let (here, ended) = region(7);
        let (first, second) = (Arc::new(Noted::default()), Arc::new(Noted::default()));
        let far: Weak<dyn Sender> = Arc::downgrade(&first) as Weak<dyn Sender>;
        let end = here.sent_by(far).unwrap();
        let gone: Weak<dyn Sender> = Arc::downgrade(&second) as Weak<dyn Sender>;
        drop(here.sent_by(gone));
        drop(second);
        let closing = Arc::new(Mutex::default());
        here.keep(Box::new(Mapping(Arc::clone(&closing)))).unwrap();
        assert!(here.keep(Box::new(Mapping(Arc::default()))).is_err(), "it is opened once");
        let call = Arc::clone(&here);
        drop(here);
        assert!(first.0.lock().is_empty(), "a call still names it");
        drop(call);
        assert_eq!(*first.0.lock(), [7]);
        drop(end);
        assert!(!ended.load(SeqCst), "it is not closed yet");
        closing.lock().take();
        assert!(ended.load(SeqCst));
    }

    #[test]
    fn parts_lie_within_it() {
        let (here, _) = region(1);
        for (at, len, want) in [(0, 64, true), (64, 0, true), (60, 5, false), (u64::MAX, 2, false)] {
            assert_eq!(here.has(at, len), want, "{at} {len}");
        }
    }
}
