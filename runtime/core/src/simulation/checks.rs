//! What must hold after every step, and what must be left when all is over.

use super::{
    caller::{Said, Weather},
    host::{ARENA, STREAMS},
    world::{Holder, MS, World},
};
use crate::base::fault::Kind;
use crate::mem::INLINE_BYTES;
use std::collections::BTreeSet;
use std::time::Duration;

/// Ends of links that are nobody's fault but the weather's. Anything else that a log says is.
const USUAL: [&str; 8] = [
    "a header ends with 0xffff where",
    "it closed the connection, or its process ended",
    "Broken pipe",
    "Connection reset",
    "cannot reach the host",
    "the peer hung up before its HELLO",
    "no HELLO from the peer within 5 s",
    "the host closes",
];
/// Of one version in one host: of a window of every link, and of what still runs for a link that ended.
const MOST_ROWS: u32 = 16 * 6 * 6;
/// Times that one of six calls can be in a part of a batch that failed, and in the batch itself.
const MOST_HALVED: usize = 4;
/// In which everything that can end must have ended, once the weather is good.
const AT_THE_LATEST: Duration = Duration::from_secs(120);

impl World {
    pub(super) fn check(&mut self) -> Result<(), String> {
        self.listen()?;
        self.read_logs()?;
        self.end_drained()?;
        self.end_hung();
        self.look_at_runs()?;
        self.bounded()
    }

    /// Takes in what callers were told.
    fn listen(&mut self) -> Result<(), String> {
        let mut at = 0;
        while at < self.waiting.len() {
            let caller = &mut self.waiting[at];
            let Some(gateway) = self.gateways.iter_mut().find(|one| one.id == caller.gateway) else {
                return Err(format!("caller {} is nobody's", caller.wish.id));
            };
            let ended = caller.end.lock().take();
            let Some(end) = ended else {
                if !caller.listens() {
                    caller.late_since = None;
                } else if caller.deadline.is_some_and(|deadline| deadline + 10 * MS < self.now) {
                    let since = *caller.late_since.get_or_insert(gateway.process.turns);
                    if gateway.process.turns > since + 30 {
                        return Err(format!("caller {} still waits after its deadline", caller.wish.id));
                    }
                }
                at += 1;
                continue;
            };
            caller.judge(&end, self.now, self.weather, &self.book)?;
            let caller = self.waiting.swap_remove(at);
            let id = caller.wish.id;
            match end {
                Ok(Said::InParts(parts)) => {
                    gateway.answered += 1;
                    self.see("answered in parts");
                    self.note(|| format!("caller {id} has its {parts} parts"));
                }
                Ok(Said::Wrong(wrong)) => return Err(wrong),
                Ok(Said::Whole(answer)) => {
                    gateway.answered += 1;
                    let bytes: usize = answer.outputs.iter().map(|(_, tensor)| tensor.data.len()).sum();
                    self.see(if bytes > INLINE_BYTES { "answered in shared memory" } else { "answered" });
                    self.held.push(Holder { caller, answer: *answer });
                    self.note(|| format!("caller {id} is answered"));
                }
                Err(fault) => {
                    gateway.refused += 1;
                    let suspect = fault.note.contains("this very input");
                    self.see(if suspect { "refused as a suspect" } else { fault.kind.code() });
                    if caller.heard() > 0 && fault.kind == Kind::HostLost {
                        self.see("lost after parts");
                    }
                    let told = fault.to_string();
                    self.note(|| {
                        format!("caller {id} is told: {}", told.split(" [error").next().unwrap_or(""))
                    });
                }
            }
        }
        Ok(())
    }

    fn read_logs(&mut self) -> Result<(), String> {
        let mut lines = std::mem::take(&mut *self.lines.lock());
        for gateway in &self.gateways {
            lines.extend(gateway.gateway.logged());
        }
        for line in lines {
            self.note(|| line.clone());
            if !USUAL.iter().any(|usual| line.contains(usual)) {
                return Err(format!("a log says: {line}"));
            }
        }
        Ok(())
    }

    /// What may not run twice ran once; what may ran in one more host at most, after a crash, and in each as often as a
    /// failed batch can be halved.
    fn look_at_runs(&self) -> Result<(), String> {
        for (caller, runs) in self.book.runs() {
            let hosts: BTreeSet<_> = runs.iter().map(|(host, _)| host).collect();
            let (most_hosts, most) = match runs.first() {
                Some((_, 2)) => (1, 1),
                Some((_, STREAMS)) => (2, 2),
                Some(_) | None => (2, 2 * MOST_HALVED),
            };
            if runs.len() > most || hosts.len() > most_hosts {
                return Err(format!("the rows of caller {caller} ran {} times: {runs:?}", runs.len()));
            }
        }
        for host in &self.hosts {
            let free = host.arena.free_bytes();
            if free > ARENA {
                return Err(format!("host {} has {free} free bytes of {ARENA}", host.id));
            }
        }
        Ok(())
    }

    /// The weather becomes good, everybody is heard, and nothing may be left.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.note(|| "good weather".to_owned());
        self.is_good = true;
        self.net.wires.iter_mut().for_each(|wire| wire.pace = usize::MAX);
        self.hosts.iter_mut().for_each(|host| host.process.go_on());
        self.gateways.iter_mut().for_each(|gateway| gateway.process.go_on());
        self.waiting.iter().filter_map(|caller| caller.reader.as_ref()).for_each(|one| one.may_read(1000));
        let (begun, mut idle) = (self.now, 0);
        while !self.waiting.is_empty() || !self.events.is_empty() {
            let before = self.waiting.len();
            self.round()?;
            idle = if self.waiting.len() == before { idle + 1 } else { 0 };
            self.pass(if idle > 20 { 100 * MS } else { 2 * MS });
            if self.now - begun > AT_THE_LATEST {
                let who: Vec<_> = self.waiting.iter().map(|caller| caller.wish).collect();
                return Err(format!("after two minutes of good weather these still wait: {who:?}"));
            }
        }
        while !self.held.is_empty() {
            self.look_away()?;
        }
        // Longer than a model may take for callers that were told otherwise: a batch of theirs may still run.
        for _ in 0..40 {
            self.round()?;
            self.pass(80 * MS);
        }
        self.nothing_is_left()
    }

    /// Everybody does what there is to do.
    fn round(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            for at in 0..self.hosts.len() + self.gateways.len() {
                self.turn(at, 3);
            }
            self.net.connect();
            self.net.wires.iter_mut().for_each(|wire| wire.pump(usize::MAX, usize::MAX));
        }
        let mut at = 0;
        while at < self.hosts.len() {
            let (id, lanes) = (self.hosts[at].id, self.hosts[at].lanes());
            for lane in lanes {
                if self.hosts.get(at).is_some_and(|host| host.id == id) {
                    self.one_lane(at, lane, 3 * MS)?;
                }
            }
            at += 1;
        }
        self.check()
    }

    pub(super) fn count_second_runs(&mut self) {
        for _ in 0..self.book.runs().filter(|(_, runs)| runs.len() > 1).count() {
            self.see("ran again after a crash");
        }
        if self.book.late > 0 {
            self.see("returned too late");
        }
        if self.book.paused > 0 {
            self.see("paused");
        }
    }

    /// Rows that wait or run are bounded, whatever callers send.
    fn bounded(&self) -> Result<(), String> {
        for host in &self.hosts {
            for shelf in &host.shelves {
                let (waiting, running) = shelf.intake.occupancy();
                let rows = waiting.get() + running.get();
                if rows > MOST_ROWS {
                    return Err(format!("host {} has {rows} rows of version {}", host.id, shelf.version));
                }
            }
        }
        Ok(())
    }

    fn nothing_is_left(&mut self) -> Result<(), String> {
        for gateway in &self.gateways {
            let (id, core) = (gateway.id, &gateway.gateway);
            let stats: serde_json::Value = serde_json::from_str(&core.stats()).unwrap();
            let names = ["in_flight_bytes", "unread_bytes", "requests", "in_flight"];
            let left = names.map(|name| stats[name].as_u64());
            if left != [Some(0); 4] {
                return Err(format!("gateway {id} has bytes, unread ones, requests, flights left: {left:?}"));
            }
            let streams = format!("headrace_streams{{model=\"m\",version=\"{STREAMS}\"}} ");
            if core.metrics().lines().any(|line| line.starts_with(&streams) && !line.ends_with(" 0")) {
                return Err(format!("gateway {id} has answers in parts left"));
            }
            for (version, stats) in stats["models"]["m"]["versions"].as_object().unwrap() {
                let names = ["waiting", "waiting_rows", "in_flight", "in_flight_rows"];
                let left = names.map(|name| stats[name].as_u64());
                if left != [Some(0); 4] {
                    return Err(format!("gateway {id} has {names:?} of version {version} left: {left:?}"));
                }
            }
            if stats["epoch"]["sequence"].as_u64() != Some(gateway.epoch) {
                return Err(format!("gateway {id} has table {}, not {}", stats["epoch"], gateway.epoch));
            }
            let free = core.arena().unwrap().free_bytes();
            if free != ARENA {
                return Err(format!("gateway {id} has {free} free bytes of {ARENA}"));
            }
            let rows = core.statistics(None, None).unwrap();
            let succeeded: u64 = rows.iter().map(|row| row.success.count).sum();
            let failed: u64 = rows.iter().map(|row| row.fail.count).sum::<u64>() + core.meter().refusals();
            // Whoever left may have done so with the answer already on its way: it is counted as one or the other.
            let (answered, refused, left) = (gateway.answered, gateway.refused, gateway.left);
            let same = succeeded + failed == answered + refused + left;
            if !same || succeeded < answered || failed < refused {
                return Err(format!(
                    "gateway {id} counted {succeeded} answers and {failed} faults: {answered} callers were answered, \
                     {refused} refused, {left} left"
                ));
            }
        }
        for host in &self.hosts {
            let free = host.arena.free_bytes();
            if free != ARENA || !host.is_idle() {
                return Err(format!("host {} has {free} free bytes of {ARENA}, or calls", host.id));
            }
        }
        self.executions()
    }

    /// Without losses every run of a model is counted once.
    fn executions(&self) -> Result<(), String> {
        let counted = self.gateways.iter().flat_map(|one| one.gateway.statistics(None, None).unwrap());
        let counted: u64 = counted.map(|row| row.execution_count).sum();
        let exact = self.weather != Weather::Storm;
        if (exact && counted != self.book.ended) || counted > self.book.ended {
            return Err(format!("gateways counted {counted} runs, models {}", self.book.ended));
        }
        Ok(())
    }
}
