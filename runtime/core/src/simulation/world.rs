//! A node whose every step is a throw of the dice: gateways, hosts, the wires between them, callers, and time.

use super::{
    book::Book,
    caller::{Caller, Weather, Wish},
    gateway::GatewayProcess,
    host::{HostProcess, Lane, MAX_ROWS, contract},
    net::Net,
    wire::Side,
};
use crate::base::{contract::Batching, inference::Answer};
use crate::link::{Log, gateway::Endpoint};
use fastrand::Rng;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(super) const MS: Duration = Duration::from_millis(1);

/// What happens later.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A host with these versions comes up.
    Host(Vec<u64>),
    /// Everybody learns which hosts there are.
    Directory,
    /// A gateway is given a table.
    Table { gateway: u64, epoch: u64, first: u32 },
    /// SIGCONT.
    Continue(Side, u64),
}

/// Somebody who has an answer and still looks at it.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) caller: Caller,
    pub(super) answer: Answer,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) dice: Rng,
    pub(super) weather: Weather,
    pub(super) now: Duration,
    pub(super) net: Net,
    pub(super) hosts: Vec<HostProcess>,
    pub(super) gateways: Vec<GatewayProcess>,
    pub(super) waiting: Vec<Caller>,
    pub(super) held: Vec<Holder>,
    pub(super) book: Book,
    pub(super) events: Vec<(Duration, Event)>,
    /// Tables that were ever made: epoch, and the share of version 1.
    pub(super) tables: Vec<(u64, u32)>,
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    pub(super) trace: Option<Vec<String>>,
    /// Nothing goes wrong any more.
    pub(super) is_good: bool,
    /// The last request that was made to kill.
    pub(super) poison: Option<Wish>,
    /// What happened, and how often: a simulation that never comes somewhere proves nothing about it.
    pub(super) seen: BTreeMap<&'static str, u64>,
    folder: PathBuf,
    last_id: u64,
}

impl Drop for World {
    fn drop(&mut self) {
        self.held.clear();
        self.hosts.drain(..).for_each(HostProcess::end);
        self.gateways.drain(..).for_each(GatewayProcess::end);
        let _ = std::fs::remove_dir_all(&self.folder); // nobody depends on it
    }
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather, folder: PathBuf, traced: bool) -> World {
        let mut world = World {
            dice: Rng::with_seed(seed),
            weather,
            now: Duration::ZERO,
            net: Net::default(),
            hosts: Vec::new(),
            gateways: Vec::new(),
            waiting: Vec::new(),
            held: Vec::new(),
            book: Book::default(),
            events: Vec::new(),
            tables: vec![(1, 5000)],
            lines: Arc::default(),
            trace: traced.then(Vec::new),
            is_good: false,
            poison: None,
            seen: BTreeMap::new(),
            folder,
            last_id: 0,
        };
        match world.dice.u8(..3) {
            0 => [vec![1, 2, 3]].into_iter().for_each(|versions| world.start_host(&versions)),
            1 => [vec![1], vec![2, 3]].into_iter().for_each(|versions| world.start_host(&versions)),
            _ => [vec![1, 3], vec![1, 2], vec![2, 3]]
                .into_iter()
                .for_each(|versions| world.start_host(&versions)),
        }
        for _ in 0..world.dice.usize(1..=2) {
            world.start_gateway();
        }
        world
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = line().replace(&self.folder.display().to_string(), "");
            trace.push(format!("{:>9.1} ms  {line}", self.now.as_secs_f64() * 1e3));
        }
    }

    pub(super) fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub(super) fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_micros(self.dice.u64(range.start * 1000..range.end * 1000))
    }

    fn log(&self, whose: &'static str) -> Log {
        let lines = Arc::clone(&self.lines);
        Arc::new(move |line| lines.lock().push(format!("{whose}: {line}")))
    }

    pub(super) fn batching(&mut self) -> Batching {
        let max_delay_ms = if self.dice.bool() { 0.0 } else { 2.0 };
        Batching { max_rows: MAX_ROWS, max_delay_ms, queue_rows: 24, ..Batching::default() }
    }

    pub(super) fn start_host(&mut self, versions: &[u64]) {
        let id = self.id();
        let (batching, lanes) = (self.batching(), self.dice.u32(1..=2));
        let concurrency = self.dice.u32(1..=lanes);
        let contracts = versions.iter().map(|version| contract(*version, batching.clone(), lanes)).collect();
        self.note(|| format!("host {id} comes with versions {versions:?} and {lanes} lanes"));
        let host = HostProcess::start(id, &self.folder, contracts, concurrency, self.log("host"));
        self.hosts.push(host);
        let when = self.now + self.ms(0..50);
        self.events.push((when, Event::Directory));
    }

    pub(super) fn start_gateway(&mut self) {
        let (id, dice) = (self.id(), self.dice.u64(..));
        self.note(|| format!("gateway {id} comes"));
        let mut gateway = GatewayProcess::start(id, dice);
        let (epoch, first) = self.tables[self.tables.len() - 1];
        assert!(gateway.table(epoch, first));
        gateway.epoch = epoch;
        self.gateways.push(gateway);
        self.directory();
    }

    pub(super) fn directory(&mut self) {
        let World { gateways, hosts, net, .. } = self;
        for gateway in gateways {
            let here = hosts.iter().filter(|host| host.draining.is_none()).map(|host| Endpoint {
                id: format!("h{}", host.id),
                socket: net.address(gateway.id, host.id, &host.path),
            });
            gateway.directory(here.collect());
        }
    }

    /// One throw, and what follows from it.
    pub(super) fn step(&mut self) -> Result<(), String> {
        match self.dice.u8(..100) {
            0..30 => {
                let turns = self.dice.u32(1..6);
                let at = self.dice.usize(..self.hosts.len() + self.gateways.len());
                self.turn(at, turns);
            }
            30..52 => self.pump(),
            52..68 => self.lane()?,
            68..79 => self.ask(),
            79..84 => self.read(),
            84..92 => {
                let span = if self.dice.u8(..8) == 0 { self.ms(0..200) } else { self.ms(0..4) };
                self.pass(span);
            }
            92..94 => self.leave(),
            94..96 => self.look_away()?,
            _ => self.fault(),
        }
        self.check()
    }

    pub(super) fn turn(&mut self, at: usize, turns: u32) {
        match at.checked_sub(self.hosts.len()) {
            Some(at) => self.gateways[at].process.turn(turns),
            None => self.hosts[at].process.turn(turns),
        }
    }

    fn pump(&mut self) {
        self.net.connect();
        let Some(at) = self.dice.usize(..).checked_rem(self.net.wires.len()) else { return };
        let mut bytes = || match self.dice.u8(..4) {
            0 => self.dice.usize(..24),
            1 => self.dice.usize(..2000),
            _ => usize::MAX,
        };
        let (to_host, to_gateway) = (bytes(), bytes());
        self.net.wires[at].pump(to_host, to_gateway);
    }

    fn lane(&mut self) -> Result<(), String> {
        let Some(at) = self.dice.usize(..).checked_rem(self.hosts.len()) else { return Ok(()) };
        let (which, takes) = ((self.dice.usize(..4), self.dice.usize(..2)), self.ms(0..20));
        self.one_lane(at, which, takes)
    }

    pub(super) fn one_lane(
        &mut self,
        at: usize,
        which: (usize, usize),
        takes: Duration,
    ) -> Result<(), String> {
        let host = &mut self.hosts[at];
        if host.process.is_stopped() || host.lane(which, self.now, takes, &mut self.book)? != Lane::Killed {
            return Ok(());
        }
        self.kill_host(at);
        Ok(())
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now += span;
        self.hosts.iter().for_each(|host| host.process.pass(span));
        self.gateways.iter().for_each(|gateway| gateway.process.pass(span));
        let now = self.now;
        let (due, later) = self.events.drain(..).partition(|(when, _)| *when <= now);
        self.events = later;
        due.into_iter().for_each(|(_, event)| self.happen(event));
    }

    fn happen(&mut self, event: Event) {
        self.note(|| format!("{event:?}"));
        match event {
            Event::Host(versions) => self.start_host(&versions),
            Event::Directory => self.directory(),
            Event::Table { gateway, epoch, first } => {
                if let Some(gateway) = self.gateways.iter_mut().find(|one| one.id == gateway) {
                    // A table that comes late is refused; the check after this step holds it to that.
                    gateway.table(epoch, first);
                    gateway.epoch = gateway.epoch.max(epoch);
                }
            }
            Event::Continue(Side::Host, id) => {
                self.hosts.iter_mut().filter(|one| one.id == id).for_each(|one| one.process.go_on());
            }
            Event::Continue(Side::Gateway, id) => {
                let gateways = self.gateways.iter_mut().filter(|one| one.id == id);
                gateways.for_each(|one| one.process.go_on());
            }
        }
    }
}
