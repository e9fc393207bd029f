//! Hearing a gateway: what it sends is taken in by the link's task, or by a lane that has nothing else to do.

use super::{calls::Account, session::Session};
use crate::{
    base::{call::Outlet, panics, units::Version},
    link::{inbox::Inbox, peer::Peer, socket},
    mem::peer::PeerArena,
    wire::{frame::Malformed, frame_decode::Decoder},
};
use compact_str::CompactString;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use rustix::event::epoll;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use tokio::{io::unix::AsyncFd, sync::Notify};

/// Reads in a row, before others of the thread have their turn.
const MOST_READS: usize = 32;

/// A link as its readers share it. Dropping it gives the link up.
#[derive(Debug)]
pub(super) struct Hearing {
    session: Arc<Session>,
    peer: Arc<Peer>,
    reading: Mutex<Reading>,
    /// Something is left for the task: a lane came upon it.
    handed: Notify,
}

/// What only the one who reads touches.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) session: Arc<Session>,
    socket: OwnedFd,
    decoder: Decoder,
    pub(super) memory: Option<PeerArena>,
    pub(super) accounts: FxHashMap<(CompactString, Version), Arc<Account>>,
    /// The gateway said that it will close the link.
    pub(super) leaves: bool,
    /// Frames are taken in no more.
    over: Option<Over>,
}

/// Why the gateway is listened to no more.
#[derive(Clone, Debug)]
enum Over {
    /// It closed the socket or died.
    Gone(String),
    /// It broke the protocol, or we leave: it does not know yet.
    Ours(String),
}

/// What a look at the socket left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Nothing: of what comes from now on the system tells anew.
    Nothing,
    /// Perhaps more: the gateway sends faster than is read, or does not read what it is sent.
    More,
    End,
}

impl Hearing {
    pub(super) fn new(session: Arc<Session>, inbox: Inbox, memory: Option<PeerArena>) -> Arc<Hearing> {
        let (socket, peer, decoder) = inbox.into_parts();
        let mut reading = Reading::new(&session, socket, decoder, memory);
        reading.take_frames(); // what came with the HELLO
        Arc::new(Hearing { session, peer, reading: Mutex::new(reading), handed: Notify::new() })
    }

    /// Has the system tell `epoll` of what comes, unless it found somebody else who waits for it.
    pub(super) fn watch(&self, epoll: &OwnedFd, number: u64) -> io::Result<()> {
        // Told of each piece once: a lane leaves to the task what it must not read yet.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET | epoll::EventFlags::EXCLUSIVE;
        let reading = self.reading.lock();
        Ok(epoll::add(epoll, reading.socket.as_fd(), epoll::EventData::new_u64(number), flags)?)
    }

    /// By a lane: takes in what is there. The end of the link, and a gateway that sends without reading, are the
    /// task's. `hung_up`: the system told of the end too.
    pub(super) fn hear(&self, hung_up: bool) {
        let left = self.reading.lock().hear(hung_up);
        if left != Left::Nothing {
            self.handed.notify_one();
        }
    }

    /// The link's task. Returns why it ended, if not in good order. The gateway may look at our memory yet.
    pub(super) async fn run(&self) -> io::Result<Option<String>> {
        let session = &self.session;
        // Lanes are asked first, for they were registered first.
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        self.watch(&epoll, 0)?;
        let news = socket::readable(epoll)?;
        let mut write = pin!(session.outbox.write());
        let over = tokio::select! {
            biased;
            over = self.read(&news) => over,
            end = &mut write => Over::Ours(end.err().map_or_else(String::new, |error| error.to_string())),
            () = session.left() => Over::Ours("the host closes".to_owned()),
        };
        session.abandon();
        let mut reading = self.reading.lock();
        reading.over = Some(over.clone());
        reading.memory = None;
        Ok(match over {
            Over::Gone(_) if reading.leaves => None,
            Over::Gone(why) => Some(format!("lost the gateway (process {}): {why}", self.peer.pid())),
            Over::Ours(why) => {
                session.outbox.hang_up();
                Some(format!("ended the link to a gateway (process {}): {why}", self.peer.pid()))
            }
        })
    }

    async fn read(&self, news: &AsyncFd<OwnedFd>) -> Over {
        let mut dead = false;
        loop {
            self.session.outbox.until_low().await;
            let left = {
                let mut reading = self.reading.lock();
                let left = reading.hear(true);
                if let Some(over) = &reading.over {
                    return over.clone();
                }
                left
            };
            match left {
                // A child of it may still hold the socket open.
                Left::Nothing if dead => return gone(),
                Left::Nothing => dead = self.wait(news).await,
                Left::More | Left::End => tokio::task::yield_now().await,
            }
        }
    }

    /// Until something is there to be read; true when the gateway's process has ended.
    async fn wait(&self, news: &AsyncFd<OwnedFd>) -> bool {
        tokio::select! {
            biased;
            ready = news.readable() => {
                if let Ok(mut ready) = ready {
                    ready.clear_ready();
                }
                false
            }
            () = self.handed.notified() => false,
            () = self.peer.dead() => true,
        }
    }
}

impl Drop for Hearing {
    /// Also when the runtime drops the task. Memory that is lent then stays lent: the process is ending.
    fn drop(&mut self) {
        self.session.abandon();
    }
}

impl Reading {
    pub(super) fn new(
        session: &Arc<Session>,
        socket: OwnedFd,
        decoder: Decoder,
        memory: Option<PeerArena>,
    ) -> Reading {
        let session = Arc::clone(session);
        Reading {
            session,
            socket,
            decoder,
            memory,
            accounts: FxHashMap::default(),
            leaves: false,
            over: None,
        }
    }

    /// `to_the_end`: the gateway may have hung up already, of which the system tells once. Else a read that did not
    /// fill its room has emptied the socket, which saves asking again.
    fn hear(&mut self, to_the_end: bool) -> Left {
        for _ in 0..MOST_READS {
            if self.over.is_some() {
                return Left::End;
            }
            if !self.session.outbox.is_low() {
                return Left::More;
            }
            let room = self.decoder.room();
            let free = room.capacity() - room.len();
            match socket::read(self.socket.as_fd(), room) {
                Ok(0) => self.over = Some(gone()),
                Ok(bytes) => {
                    self.take_frames();
                    if bytes < free && !to_the_end && self.over.is_none() {
                        return Left::Nothing;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Left::Nothing,
                Err(error) => self.over = Some(Over::Gone(error.to_string())),
            }
        }
        Left::More
    }

    /// A panic ends this link alone, whoever reads: a lane that it took along would be woken for ever and never look.
    fn take_frames(&mut self) {
        let why = match panics::survive(|| self.frames()) {
            Ok(Ok(())) => return,
            Ok(Err(malformed)) => malformed.to_string(),
            Err(fault) => fault.note.into_owned(),
        };
        self.over = Some(Over::Ours(why));
    }

    fn frames(&mut self) -> Result<(), Malformed> {
        let mut any = false;
        while let Some(frame) = self.decoder.next_frame()? {
            self.take(frame)?;
            any = true;
        }
        if any {
            self.session.flush(); // refusals; answers of lanes have usually left by themselves
        }
        Ok(())
    }
}

fn gone() -> Over {
    Over::Gone("it closed the connection, or its process ended".to_owned())
}

#[cfg(test)]
#[cfg(headrace_loom)]
#[path = "models.rs"]
mod models;
