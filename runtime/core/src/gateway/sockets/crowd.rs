//! The connections that one thread has from one port. When all places are taken, those that ask nothing make room: a
//! client could else hold every place for as long as an idle connection may stay, at no cost.

use super::listen;
use crate::gateway::Limits;
use indexmap::IndexMap;
use socket2::SockRef;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};

/// What others may know of a connection, and tell it.
pub(in crate::gateway) trait Guest: Default + Send + Sync + 'static {
    /// Requests so far.
    fn came(&self) -> u64;

    /// No request runs, and no answer waits to be read.
    fn is_idle(&self) -> bool;

    /// Shall end, unless something has come meanwhile.
    fn leave(&self);

    /// The server stops.
    fn stop(&self);
}

/// Guests in a ring, and a hand that goes round: whoever is idle, and has asked nothing since the hand passed last,
/// can leave. No clock is read and nothing is kept in order for it.
#[derive(Debug)]
struct Crowd<G> {
    ring: IndexMap<Id, Seat<G>>,
    hand: usize,
}

#[derive(Debug)]
struct Seat<G> {
    guest: Arc<G>,
    /// Requests when the hand passed last, if it was idle then.
    idle_at: Option<u64>,
    told: bool,
}

/// How many the hand passes while few places are left, so that who can leave is known when all are taken.
const FEW: usize = 8;
/// How many when all are, so that one attempt to connect costs a bounded look.
const MANY: usize = 1024;

impl<G: Guest> Crowd<G> {
    fn new() -> Crowd<G> {
        Crowd { ring: IndexMap::new(), hand: 0 }
    }

    fn come(&mut self, id: Id, guest: Arc<G>) {
        self.ring.insert(id, Seat { guest, idle_at: None, told: false });
    }

    fn go(&mut self, id: Id) {
        self.ring.swap_remove(&id);
    }

    /// Passes so many; the first that can leave stops it.
    fn pass(&mut self, most: usize) -> Option<&mut Seat<G>> {
        let len = self.ring.len();
        for _ in 0..most.min(len) {
            self.hand = (self.hand + 1) % len;
            if self.ring.get_index_mut(self.hand).is_some_and(|(_, seat)| seat.can_leave()) {
                return self.ring.get_index_mut(self.hand).map(|(_, seat)| seat);
            }
        }
        None
    }

    /// True if somebody leaves.
    fn makes_room(&mut self) -> bool {
        let Some(seat) = self.pass(MANY) else { return false };
        seat.told = true;
        seat.guest.leave();
        true
    }
}

impl<G: Guest> Seat<G> {
    fn can_leave(&mut self) -> bool {
        let now = self.guest.is_idle().then(|| self.guest.came());
        let quiet = now.is_some() && now == self.idle_at;
        self.idle_at = now;
        quiet && !self.told
    }
}

/// Accepts until `stop` is done, then waits for the end of every connection. Dropping it ends them at once.
///
/// `places`: one for each connection, shared by all who accept from the same socket. `full` is what one too many is
/// told; `begin` serves a connection.
pub(in crate::gateway) async fn serve<G: Guest, C: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    (places, limits, full): (Arc<Semaphore>, &Limits, &[u8]),
    stop: impl Future<Output = ()>,
    begin: impl Fn(TcpStream, Arc<G>) -> C,
) {
    let span = Duration::from_millis;
    let (write, head) = (span(limits.body_timeout_ms), span(limits.header_timeout_ms));
    let (mut stop, mut tasks, mut crowd) = (pin!(stop), JoinSet::new(), Crowd::<G>::new());
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = tasks.join_next_with_id() => {
                crowd.go(ended.map_or_else(|error| error.id(), |(id, ())| id));
            }
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    let place = Arc::clone(&places).try_acquire_owned();
                    if places.available_permits() < limits.connections / 4 {
                        crowd.pass(FEW);
                    }
                    if place.is_err() && !crowd.makes_room() {
                        // Best effort, and before it costs more than a socket: who reads learns why.
                        let _ = SockRef::from(&socket).send(full);
                        continue;
                    }
                    listen::prepare(&socket, write);
                    let (guest, places) = (Arc::new(G::default()), Arc::clone(&places));
                    let connection = begin(socket, Arc::clone(&guest));
                    let task = async move {
                        let place = match place {
                            Ok(place) => Some(place),
                            // Who was told to leave does so at once, unless it has found something to do.
                            Err(_) => {
                                tokio::time::timeout(head, places.acquire_owned()).await.ok().and_then(Result::ok)
                            }
                        };
                        if place.is_some() {
                            connection.await;
                        }
                    };
                    crowd.come(tasks.spawn(task).id(), guest);
                }
                // Out of descriptors, or a client that left while it waited: let others go on.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    crowd.ring.values().for_each(|seat| seat.guest.stop());
    while tasks.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

    #[derive(Debug, Default)]
    struct Someone {
        came: AtomicU64,
        busy: AtomicBool,
        left: AtomicBool,
    }

    impl Guest for Someone {
        fn came(&self) -> u64 {
            self.came.load(Relaxed)
        }

        fn is_idle(&self) -> bool {
            !self.busy.load(Relaxed)
        }

        fn leave(&self) {
            assert!(!self.left.swap(true, Relaxed), "told twice");
        }

        fn stop(&self) {}
    }

    fn left(guests: &[Arc<Someone>]) -> Vec<usize> {
        (0..guests.len()).filter(|at| guests[*at].left.load(Relaxed)).collect()
    }

    #[tokio::test]
    async fn who_asked_nothing_for_a_round_leaves_once() {
        let (mut crowd, mut tasks) = (Crowd::new(), JoinSet::new());
        assert!(!crowd.makes_room(), "nobody is there");
        let guests: Vec<_> = (0..4).map(|_| Arc::new(Someone::default())).collect();
        for guest in &guests {
            crowd.come(tasks.spawn(std::future::pending::<()>()).id(), Arc::clone(guest));
        }
        guests[1].busy.store(true, Relaxed);
        crowd.pass(4);
        guests[2].came.store(1, Relaxed);
        assert!(crowd.makes_room() && crowd.makes_room());
        assert_eq!(left(&guests), [0, 3]);
        assert!(crowd.makes_room(), "nothing came since");
        assert_eq!(left(&guests), [0, 2, 3]);
        assert!(!crowd.makes_room(), "one is busy, the others leave");
        guests[1].busy.store(false, Relaxed);
        assert!(!crowd.makes_room(), "it was busy when the hand passed last");
        assert!(crowd.makes_room());
    }
}
