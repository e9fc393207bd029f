//! One connection to a host, from HELLO to its end.

use super::{Common, flights::Flights};
use crate::{
    base::{
        contract::Contract,
        device::Sender,
        primitive::{
            Mutex, Notify,
            atomic::{AtomicBool, Ordering::Relaxed},
        },
        roster::CarrierId,
    },
    link::{inbox::Inbox, outbox::Outbox},
    mem::peer::PeerArena,
    wire::{
        frame::{Head, Kind as FrameKind, Malformed},
        frame_encode::encode,
        frame_meta::{self, proto},
    },
};
use compact_str::CompactString;
use rustc_hash::FxHashMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch;

/// Shared by the link's task, its carriers, and whoever looks at answers in the host's memory.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) common: Arc<Common>,
    pub(super) outbox: Outbox,
    pub(super) flights: Mutex<Flights>,
    /// The last call in flight was answered.
    pub(super) landed: Notify,
    /// A call took off while nobody watched the host.
    pub(super) took_off: Notify,
    /// Something came from the host since this was last looked at.
    pub(super) heard: AtomicBool,
    /// The host's.
    pub(super) pid: i32,
}

#[derive(Debug)]
pub(super) enum Ended {
    /// It was not wanted any more, and everything it had is answered.
    Drained,
    /// The host had asked for no more calls, and answered all it had.
    Left,
    Lost(String),
}

/// What only the link's task touches.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) session: Arc<Session>,
    pub(super) memory: Option<PeerArena>,
    /// The host asked for no more calls.
    pub(super) leaving: bool,
    /// Versions that were announced; without a carrier once they are gone.
    pub(super) versions: FxHashMap<(CompactString, u64), Announced>,
}

#[derive(Debug)]
pub(super) struct Announced {
    pub(super) contract: Arc<Contract>,
    pub(super) carrier: Option<CarrierId>,
}

/// Lives as long as a view of an answer in the host's memory; then the host may write there again.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) session: Arc<Session>,
    pub(super) call: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let released = proto::Released { calls: vec![self.call] };
        let head = Head::new(FrameKind::Release, 0);
        let outbox = &self.session.outbox;
        // On a closed link the host learns it from the end of its leash.
        let _ = outbox.put(|out| encode(out, &head, |out| frame_meta::append(out, &released), &[]));
        outbox.nudge();
    }
}

impl Sender for Session {
    fn is_over(&self, number: u64) {
        let region = proto::Region { number, ..proto::Region::default() };
        self.say(&Head::new(FrameKind::Unmap, 0), |out| frame_meta::append(out, &region));
    }
}

impl Session {
    pub(super) fn new(common: &Arc<Common>, pid: i32, outbox: Outbox) -> Arc<Session> {
        Arc::new(Session {
            common: Arc::clone(common),
            outbox,
            flights: Mutex::new(Flights::new()),
            landed: Notify::new(),
            took_off: Notify::new(),
            heard: AtomicBool::new(false),
            pid,
        })
    }

    /// Has a frame without tensors sent. A closed link has answered the call that it is about, or is about to.
    pub(super) fn say(&self, head: &Head, meta: impl FnOnce(&mut Vec<u8>)) {
        let _ = self.outbox.put(|out| encode(out, head, meta, &[]));
        self.outbox.nudge();
    }

    /// Nothing is in flight.
    async fn until_landed(&self) {
        while !self.flights.lock().is_empty() {
            self.landed.notified().await;
        }
    }
}

impl Running {
    pub(super) fn start(session: Arc<Session>, memory: Option<PeerArena>, hello: proto::Hello) -> Running {
        let mut running = Running { session, memory, leaving: false, versions: FxHashMap::default() };
        if let Err(malformed) = running.announced(hello) {
            running.session.outbox.close();
            (running.session.common.log)(format!("a host's HELLO: {malformed}"));
        }
        running
    }

    /// Until the host is gone, breaks the protocol, or is not wanted and has answered everything.
    pub(super) async fn run(mut self, mut inbox: Inbox, wanted: &mut watch::Receiver<bool>) -> Ended {
        let session = Arc::clone(&self.session);
        // Kept across turns of the loop: a write that was begun must not be forgotten.
        let mut write = pin!(session.outbox.write());
        let mut silent = pin!(session.until_silent());
        let (mut draining, mut hung_up) = (false, false);
        let ended = loop {
            tokio::select! {
                biased; // no dice: an interleaving that was found by a seed can be seen again
                why = self.read(&mut inbox) => break self.ended(why),
                end = &mut write, if !hung_up => match end {
                    // What it said before it went is still there to be read: answers, above all.
                    Err(error) if is_hang_up(&error) => {
                        hung_up = true;
                        self.send_no_more();
                    }
                    other => break Ended::Lost(other.err().map_or_else(String::new, |error| error.to_string())),
                },
                () = unwanted(wanted), if !draining => {
                    draining = true;
                    self.send_no_more();
                }
                () = session.until_landed(), if draining => break Ended::Drained,
                () = &mut silent => {
                    let ended = if inbox.end_peer() { " and was ended" } else { "" };
                    let patience = session.common.patience.whole();
                    break Ended::Lost(format!("it did not answer for {patience:?}{ended}"));
                }
            }
        };
        if matches!(ended, Ended::Drained) {
            self.hear_the_rest(&mut inbox);
        }
        let why = match &ended {
            Ended::Lost(why) => why.as_str(),
            Ended::Drained | Ended::Left => "the link was closed",
        };
        self.end(why);
        ended
    }

    fn ended(&self, why: String) -> Ended {
        let left = self.leaving && self.session.flights.lock().is_empty();
        if left { Ended::Left } else { Ended::Lost(why) }
    }

    async fn read(&mut self, inbox: &mut Inbox) -> String {
        // What came with the HELLO.
        if let Err(malformed) = self.frames(inbox) {
            return malformed.to_string();
        }
        loop {
            match inbox.more().await {
                Ok(true) => self.session.heard.store(true, Relaxed),
                Ok(false) => return "it closed the connection, or its process ended".to_owned(),
                Err(error) => return error.to_string(),
            }
            if let Err(malformed) = self.frames(inbox) {
                return malformed.to_string();
            }
        }
    }

    /// All calls are answered; a release that came with the last answer is there already, and frees what was lent.
    fn hear_the_rest(&mut self, inbox: &mut Inbox) {
        while matches!(inbox.more_now(), Ok(true)) && self.frames(inbox).is_ok() {}
    }

    fn frames(&mut self, inbox: &mut Inbox) -> Result<(), Malformed> {
        let mut any = false;
        while let Some(frame) = inbox.next_frame()? {
            self.take(frame)?;
            any = true;
        }
        if any {
            self.session.common.roster.flush();
        }
        Ok(())
    }

    /// Says so to the host, in one step with refusing what comes later: no call may follow it.
    pub(super) fn send_no_more(&mut self) {
        self.close_carriers();
        let Session { flights, outbox, .. } = &*self.session;
        let mut flights = flights.lock();
        if std::mem::replace(&mut flights.open, false) {
            // A closed link needs no farewell.
            let _ = outbox.put(|out| encode(out, &Head::new(FrameKind::Drain, 0), |_| {}, &[]));
        }
        drop(flights);
        outbox.nudge();
    }

    pub(super) fn close_carriers(&mut self) {
        self.close_those(|_, _| true);
    }

    /// In the order in which they came.
    pub(super) fn close_those(&mut self, which: impl Fn(&(CompactString, u64), &Announced) -> bool) {
        let gone = self.versions.iter_mut().filter(|(key, announced)| which(key, announced));
        let mut carriers: Vec<_> = gone.filter_map(|(_, announced)| announced.carrier.take()).collect();
        carriers.sort_unstable();
        carriers.into_iter().for_each(|id| self.session.common.roster.carrier_down(id));
    }

    /// Carriers first, so that no retry comes back to this link.
    pub(super) fn end(&mut self, why: &str) {
        self.close_carriers();
        let written = self.session.outbox.written();
        let lost = self.session.flights.lock().close();
        self.session.outbox.close();
        for flight in lost {
            flight.lost(written, why);
        }
        self.session.common.roster.flush();
    }
}

/// The peer's end of the socket is closed. The end of what it said comes at once.
fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

async fn unwanted(wanted: &mut watch::Receiver<bool>) {
    let _ = wanted.wait_for(|wanted| !wanted).await; // an error: the set itself is gone
}

impl Drop for Running {
    /// The task itself may be dropped, with its runtime.
    fn drop(&mut self) {
        self.end("the gateway is shutting down");
    }
}
