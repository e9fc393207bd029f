//! The threads that read and write sockets, from start to drain.
//!
//! Each runs a runtime of its own: a connection stays on its thread, and whatever one turn of a runtime produced
//! for a link leaves in one write. All accept from the same socket, so that an idle thread takes what comes.

use super::{
    Gateway,
    grpc::{self, hosts},
    http,
    memory::ebb,
    queue::mailbox::Mailbox,
    sockets::listen,
};
use crate::base::fault::Fault;
use crate::link::{calls, gateway::Links};
use crate::meter::listener;
use crate::sync::gate::Drained;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    Http,
    Grpc,
    Metrics,
}

/// What one thread has of a listener: a copy of the socket, and its places, of which there is one set.
#[derive(Debug)]
enum Served {
    Port(Front, TcpListener, Arc<Semaphore>),
    /// Of hosts, whose models make calls.
    Hosts(UnixListener),
}

impl Served {
    fn copy(&self) -> io::Result<Served> {
        Ok(match self {
            Served::Port(front, listener, places) => {
                Served::Port(*front, listener.try_clone()?, Arc::clone(places))
            }
            Served::Hosts(listener) => Served::Hosts(listener.try_clone()?),
        })
    }
}

#[derive(Debug)]
pub(super) struct Threads {
    addresses: BTreeMap<&'static str, SocketAddr>,
    /// Set to the time that is left when the end begins.
    end: watch::Sender<Option<Duration>>,
    /// Each returns whether all of its connections were done in time.
    handles: Vec<JoinHandle<bool>>,
    links: Arc<Links>,
}

impl Gateway {
    /// Binds what the settings name and serves it. Fails, having started nothing, if an address cannot be had.
    pub fn start(self: &Arc<Gateway>) -> io::Result<()> {
        let mut threads = self.threads.lock();
        if threads.is_some() || self.gate.is_shut() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a gateway can be started once"));
        }
        let settings = &self.settings;
        let wanted = [
            (Front::Http, "http", "HTTP", &settings.http),
            (Front::Grpc, "grpc", "gRPC", &settings.grpc),
            (Front::Metrics, "metrics", "metrics", &settings.metrics),
        ];
        let (mut addresses, mut listeners) = (BTreeMap::new(), Vec::new());
        for (front, key, name, address) in wanted {
            if let Some(address) = address {
                let listener = listen::bind(name, address)?;
                addresses.insert(key, listener.local_addr()?);
                let places = self.limits().connections.min(Semaphore::MAX_PERMITS);
                listeners.push(Served::Port(front, listener, Arc::new(Semaphore::new(places))));
            }
        }
        if let Some(at) = &settings.calls {
            let listener = calls::listen(at).map_err(|e| io::Error::new(e.kind(), format!("{at}: {e}")))?;
            listeners.push(Served::Hosts(listener));
        }
        let count = self.io_threads();
        let runtimes = (0..count).map(|_| runtime(aside_threads(count))).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = runtimes.first().map(|runtime| runtime.handle().clone()) else { return Ok(()) };
        first.spawn(ebb::give_back([Arc::clone(&self.ledger), Arc::clone(&self.unread)]));
        let links = self.begin(first);
        let (scraped, served): (Vec<_>, Vec<_>) =
            listeners.into_iter().partition(|one| matches!(one, Served::Port(Front::Metrics, ..)));
        let (end, _) = watch::channel(None);
        let mut started = Threads { addresses, end, handles: Vec::new(), links };
        let mut planned = Vec::new();
        for (at, runtime) in runtimes.into_iter().enumerate() {
            planned.push((format!("headrace-io-{at}"), runtime, &served, at == 0));
        }
        if !scraped.is_empty() {
            // Who asks for numbers, and takes long, keeps no request waiting.
            planned.push(("headrace-metrics".to_owned(), runtime(1)?, &scraped, false));
        }
        for (name, runtime, listeners, is_first) in planned {
            let listeners: Result<Vec<_>, _> = listeners.iter().map(Served::copy).collect();
            let links = is_first.then(|| Arc::clone(&started.links));
            let work = listeners.map(|served| work(Arc::clone(self), served, links, started.end.subscribe()));
            let named = std::thread::Builder::new().name(name);
            match work.and_then(|work| named.spawn(move || runtime.block_on(work))) {
                Ok(thread) => started.handles.push(thread),
                Err(e) => {
                    started.join(Duration::ZERO);
                    return Err(e);
                }
            }
        }
        *threads = Some(started);
        Ok(())
    }

    fn io_threads(&self) -> usize {
        match self.settings.io_threads {
            0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 4)),
            count => count,
        }
    }

    /// Requests that one of the threads may serve at once: connections are spread over them.
    pub(super) fn seats_of_a_thread(&self) -> usize {
        self.limits().requests.div_ceil(self.io_threads()).max(1)
    }

    /// `http`, `grpc`, `metrics` and where each listens; only what was started.
    pub fn addresses(&self) -> BTreeMap<String, String> {
        let threads = self.threads.lock();
        let addresses = threads.iter().flat_map(|threads| &threads.addresses);
        addresses.map(|(name, address)| ((*name).to_owned(), address.to_string())).collect()
    }

    /// Takes nothing new from here on, but for sequences that are at work, and finishes what was taken, within `grace`.
    /// Blocks; true if all was
    /// finished. The error log ends with it.
    pub fn drain(&self, grace: Duration) -> bool {
        let grace = self.let_sequences_end(grace);
        self.gate.shut();
        // Nobody loads any more.
        self.demand.close();
        self.shadows.end();
        self.arrivals.notify_waiters();
        let threads = self.threads.lock().take();
        let clean = threads.is_none_or(|threads| threads.join(grace)) && self.gate.inside() == 0;
        self.errors.close();
        self.wishes.close();
        clean
    }
}

impl Threads {
    pub(super) fn links(&self) -> &Arc<Links> {
        &self.links
    }

    fn join(self, grace: Duration) -> bool {
        self.end.send_replace(Some(grace));
        // All are joined, whatever the first says.
        let unclean =
            self.handles.into_iter().filter_map(|thread| (!thread.join().unwrap_or(false)).then_some(()));
        unclean.count() == 0
    }
}

fn runtime(aside: usize) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(aside).build()
}

/// Threads for what would keep one of `count` waiting: large bodies that are parsed, packed or unpacked. More at once
/// than there are cores would be no sooner done, and hold more memory meanwhile.
fn aside_threads(count: usize) -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(count))
}

/// One thread's life: serves until the end begins, then finishes. True if it finished in time.
async fn work(
    gateway: Arc<Gateway>,
    served: Vec<Served>,
    links: Option<Arc<Links>>,
    mut end: watch::Receiver<Option<Duration>>,
) -> bool {
    Mailbox::open();
    let mut fronts = JoinSet::new();
    let ((stop, _), (stop_calls, _)) = (watch::channel(false), watch::channel(false));
    for served in served {
        let stop = if matches!(served, Served::Hosts(_)) { &stop_calls } else { &stop };
        let (gateway, stop) = (Arc::clone(&gateway), stop.subscribe());
        fronts.spawn(async move {
            let what = format!("{served:?}");
            if let Err(e) = serve(served, Arc::clone(&gateway), stop).await {
                let fault = Fault::internal(format!("{what} cannot be served: {e}"));
                gateway.errors.log(fault, "", None);
            }
        });
    }
    let grace = match end.wait_for(Option::is_some).await {
        Ok(grace) => grace.unwrap_or_default(),
        Err(_) => Duration::ZERO, // the gateway itself is gone
    };
    stop.send_replace(true);
    let words = last_words(grace);
    let mut whole = true;
    let done = async {
        if gateway.gate.drain(grace.saturating_sub(words)).await != Drained::Clean {
            whole = false;
            gateway.left.get_or_init(|| gateway.count());
            gateway.cut();
            gateway.gate.drain(words).await;
        }
        // What was taken before may have needed them until now.
        stop_calls.send_replace(true);
        while fronts.join_next().await.is_some() {}
        // Last, because callers are answered over them.
        if let Some(links) = links {
            links.close().await;
        }
    };
    let clean = tokio::time::timeout(grace, done).await.is_ok();
    if !clean {
        // Before this thread's end takes the links, and what they carry, with it.
        gateway.left.get_or_init(|| gateway.count());
    }
    clean && whole
}

/// Of the time of a drain, what is left to those who are told that it is over.
fn last_words(grace: Duration) -> Duration {
    (grace / 10).min(Duration::from_secs(1))
}

async fn serve(served: Served, gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let (front, listener, places) = match served {
        Served::Port(front, listener, places) => (front, listener, places),
        Served::Hosts(listener) => {
            hosts::serve(tokio::net::UnixListener::from_std(listener)?, gateway, stop).await;
            return Ok(());
        }
    };
    let listener = tokio::net::TcpListener::from_std(listener)?;
    match front {
        Front::Http => http::serve(listener, gateway, places, stop).await,
        Front::Grpc => grpc::serve(listener, gateway, places, stop).await,
        Front::Metrics => {
            let shutdown = async move {
                let _ = stop.wait_for(|stop| *stop).await; // an error is the end as well
            };
            listener::serve(listener, Arc::new(move || gateway.metrics()), shutdown).await;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "threads_tests.rs"]
mod tests;
