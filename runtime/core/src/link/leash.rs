//! Whether a peer may still look at memory that we lent it.
//!
//! The end of a link says nothing about that: a batch that runs on what it was sent runs on, and an answer that a slow
//! caller reads is read on. So with our memory a peer gets the writing end of a pipe, which lives in it for as long as
//! the mapping, and so as any view. When the pipe is closed, nobody there looks any more.

use super::peer::Peer;
use super::socket::readable;
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Who looks at our memory, by one link.
#[derive(Debug)]
pub(super) struct Borrower {
    peer: Arc<Peer>,
    /// `None`: it got no memory.
    leash: Option<OwnedFd>,
}

impl Borrower {
    /// Of no memory.
    pub(super) fn of_nothing(peer: Arc<Peer>) -> Borrower {
        Borrower { peer, leash: None }
    }

    /// And what goes to the peer with our memory.
    pub(super) fn new(peer: Arc<Peer>) -> io::Result<(Borrower, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok((Borrower { peer, leash: Some(ours) }, theirs))
    }

    /// Resolves when nothing of the peer looks at our memory: it unmapped it, or its process has ended. (A child of it
    /// that was forked without exec holds the pipe open, and looks at nothing.)
    ///
    /// `maps`: it may have regions of a device open, which it closes before it lets our memory go.
    pub(super) async fn lets_go(self, maps: bool) -> io::Result<()> {
        let Some(leash) = self.leash else {
            if maps {
                self.peer.dead().await;
            }
            return Ok(());
        };
        let leash = readable(leash)?;
        tokio::select! {
            biased;
            end = leash.readable() => end.map(drop),
            () = self.peer.dead() => Ok(()),
        }
    }
}
