//! A lane that has nothing to do waits for the links themselves.
//!
//! What comes is then taken in by the thread that will run it, and not by the link's task, which would have to wake
//! the lane: one wake-up and one switch between threads less on the way of a call that comes alone. The system
//! decides who is woken: it asks those who wait for a socket in the order in which they registered and stops at the
//! first who really waits (`EPOLLEXCLUSIVE`). Lanes are registered before the link's task, so that the task is woken
//! when no lane listens, at once and by nobody of ours.

use super::hearing::Hearing;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// Not the number of a link.
const BELL: u64 = 0;

/// The links of a host, for one of its versions to listen to.
#[derive(Debug)]
pub(super) struct Ears {
    epoll: OwnedFd,
    bell: OwnedFd,
    links: Mutex<FxHashMap<u64, Weak<Hearing>>>,
    taken: AtomicBool,
}

/// What a lane with nothing to do waits for.
pub trait Listen: Send + Sync + fmt::Debug {
    /// Blocks until calls were taken in, or the bell was rung. For one thread at a time.
    fn listen(&self);

    /// Ends a [`Listen::listen`], the present or else the next one.
    fn ring(&self);
}

/// The right to listen, for one version: the bell is rung for one waiting room.
#[derive(Debug)]
pub struct Ear(Arc<Ears>);

impl Ears {
    pub(super) fn new() -> io::Result<Arc<Ears>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &bell, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        Ok(Arc::new(Ears { epoll, bell, links: Mutex::default(), taken: AtomicBool::new(false) }))
    }

    /// `None`: another version has it.
    pub(super) fn lend(self: &Arc<Ears>) -> Option<Ear> {
        (!self.taken.swap(true, Ordering::AcqRel)).then(|| Ear(Arc::clone(self)))
    }

    /// Before the link's task watches the socket.
    pub(super) fn add(&self, number: u64, hearing: &Arc<Hearing>) -> io::Result<()> {
        self.links.lock().insert(number, Arc::downgrade(hearing));
        hearing.watch(&self.epoll, number)
    }

    /// The system forgets the socket when it is closed.
    pub(super) fn remove(&self, number: u64) {
        self.links.lock().remove(&number);
    }
}

impl Listen for Ear {
    fn listen(&self) {
        let Ears { epoll, bell, links, .. } = &*self.0;
        let mut space = [MaybeUninit::<epoll::Event>::uninit(); 8];
        let Ok((events, _)) = epoll::wait(epoll, &mut space, None) else { return }; // a signal: look again
        for event in events {
            let (flags, number) = (event.flags, event.data.u64());
            match number {
                BELL => {
                    let _ = rustix::io::read(bell, &mut [0; 8]); // empty: another ring was heard before
                }
                _ => {
                    let hearing = links.lock().get(&number).and_then(Weak::upgrade);
                    if let Some(hearing) = hearing {
                        let end = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
                        hearing.hear(flags.intersects(end));
                    }
                }
            }
        }
    }

    fn ring(&self) {
        let rung: Result<usize, Errno> = rustix::io::write(&self.0.bell, &1_u64.to_ne_bytes());
        let _ = rung; // full of rings that nobody has heard yet: those will do
    }
}

#[cfg(test)]
impl Ear {
    /// Of a host without links.
    pub fn deaf() -> Ear {
        Ears::new().and_then(|ears| ears.lend().ok_or(io::ErrorKind::Other.into())).unwrap()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
    }
}
