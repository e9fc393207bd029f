//! Which host has a sequence, and whose turn it is in each: what a gateway knows of the sequences of one stateful version.
//!
//! A sequence is of the host that its first request went to. One that is not known goes where rendezvous hashing says, so
//! that gateways agree on it. Of each no more than one request is out, waiting for room in its host or in flight; the
//! others wait here in the order in which they came. So nothing that is tried again overtakes, and a host has no more of
//! them than it has sequences at work.

use super::{
    behind::Behind,
    rank::Rank,
    rendezvous::{Place, home},
};
use crate::base::{
    sequence::{Correlation, CorrelationId},
    units::Tick,
};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Sequences that are remembered though nothing of them is here. Those that ask again last are forgotten first, and are
/// found by their hash from then on.
const MOST: usize = 1 << 16;

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked<T> {
    pub one: Correlation,
    pub rank: Rank,
    pub item: T,
}

#[derive(Debug)]
struct Known<H, T> {
    /// `None`: there was no host when it began.
    at: Option<H>,
    behind: Behind<(Rank, T)>,
    /// Where it stands among those of which nothing is here.
    quiet: Option<(Tick, u64)>,
}

/// Those that are next in their sequences and wait for room in one host.
#[derive(Debug)]
struct Waiting<T> {
    /// Of sequences that are at work there.
    later: BTreeMap<Rank, Asked<T>>,
    first: BTreeMap<Rank, Asked<T>>,
}

#[derive(Debug)]
pub struct Affinity<H, T> {
    /// Keys are callers' choice, so they are hashed with a secret.
    known: HashMap<CorrelationId, Known<H, T>>,
    quiet: BTreeMap<(Tick, u64), CorrelationId>,
    waiting: BTreeMap<Option<H>, Waiting<T>>,
    /// All that wait.
    len: usize,
    last: u64,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// So many wait.
    Full(usize),
    /// The host that had its sequence is gone, and what was kept of it with the host.
    NotStarted,
}

impl<H, T> Default for Affinity<H, T> {
    fn default() -> Affinity<H, T> {
        Affinity { known: HashMap::new(), quiet: BTreeMap::new(), waiting: BTreeMap::new(), len: 0, last: 0 }
    }
}

impl<H: Copy + Ord, T> Affinity<H, T> {
    pub fn waits(&self) -> usize {
        self.len
    }

    /// `most` may wait here.
    pub fn enter(&mut self, asked: Asked<T>, hosts: &[Place<H>], most: usize) -> Result<(), (T, Refused)> {
        if self.len >= most {
            return Err((asked.item, Refused::Full(self.len)));
        }
        let id = &asked.one.id;
        let Some(known) = self.known.get_mut(id) else {
            let at = home(id, hosts);
            self.known.insert(id.clone(), Known { at, behind: Behind::default(), quiet: None });
            self.wait(at, asked);
            return Ok(());
        };
        if known.quiet.is_none() {
            let Asked { one, rank, item } = asked;
            let pushed = known.behind.push(one, (rank, item));
            self.len += usize::from(pushed.is_ok());
            return pushed.map_err(|(_, (_, item))| (item, Refused::NotStarted));
        }
        if known.behind.is_lost() && !asked.one.start {
            return Err((asked.item, Refused::NotStarted));
        }
        known.behind = Behind::default();
        known.quiet.take().into_iter().for_each(|quiet| drop(self.quiet.remove(&quiet)));
        if !is_there(known.at, hosts) {
            if !asked.one.start {
                self.known.remove(id);
                return Err((asked.item, Refused::NotStarted));
            }
            known.at = home(id, hosts);
        }
        let at = known.at;
        self.wait(at, asked);
        Ok(())
    }

    /// Who is next to go to this host, behind so many others.
    pub fn next(&mut self, host: H, behind: usize) -> Option<&mut Asked<T>> {
        let Waiting { later, first } = self.waiting.get_mut(&Some(host))?;
        later.values_mut().chain(first.values_mut()).nth(behind)
    }

    /// Takes out whom [`Affinity::next`] shows. It is out until [`Affinity::over`] or [`Affinity::again`].
    pub fn pop(&mut self, host: H, behind: usize) -> Option<Asked<T>> {
        let Waiting { later, first } = self.waiting.get_mut(&Some(host))?;
        let rank = *later.keys().chain(first.keys()).nth(behind)?;
        let asked = later.remove(&rank).or_else(|| first.remove(&rank))?;
        self.len -= 1;
        Some(asked)
    }

    /// One that was out has been answered; `end`: its sequence is over. Returns those whose sequence was over, or lost,
    /// before their turn.
    pub fn over(&mut self, id: &CorrelationId, end: bool, hosts: &[Place<H>], now: Tick) -> Vec<Asked<T>> {
        let mut not_started = Vec::new();
        let Some(known) = self.known.get_mut(id) else { return not_started };
        let goes_on = !end && is_there(known.at, hosts);
        while let Some((one, (rank, item))) = known.behind.pop() {
            let asked = Asked { one, rank, item };
            self.len -= 1;
            if !goes_on && asked.one.start {
                known.at = home(id, hosts);
            } else if !goes_on {
                not_started.push(asked);
                continue;
            }
            let at = known.at;
            self.wait(at, asked);
            return not_started;
        }
        if end {
            self.known.remove(id);
        } else {
            self.last += 1;
            let at = (now, self.last);
            known.quiet = Some(at);
            self.quiet.insert(at, id.clone());
        }
        not_started
    }

    /// One that was out comes back, and no model has seen it. It is next again, and elsewhere if its host is gone.
    /// Returns those who cannot go elsewhere.
    pub fn again(&mut self, asked: Asked<T>, hosts: &[Place<H>], now: Tick) -> Vec<Asked<T>> {
        let Some(known) = self.known.get_mut(&asked.one.id) else { return vec![asked] };
        if known.at.is_some() && !is_there(known.at, hosts) {
            if !asked.one.start {
                let mut not_started = self.over(&asked.one.id, false, hosts, now);
                not_started.insert(0, asked);
                return not_started;
            }
            known.at = home(&asked.one.id, hosts);
        }
        let at = known.at;
        self.wait(at, asked);
        Vec::new()
    }

    /// A first request of this sequence was refused: what is sent as if it had begun is refused too.
    pub fn lose(&mut self, id: &CorrelationId) {
        self.known.get_mut(id).into_iter().for_each(|known| known.behind.lose());
    }

    /// The same of one that was out, before [`Affinity::over`]. Returns those who would go on with it.
    pub fn begun_nothing(&mut self, id: &CorrelationId) -> Vec<Asked<T>> {
        let Some(known) = self.known.get_mut(id) else { return Vec::new() };
        let lost = known.behind.take_goers_on(0);
        self.len -= lost.len();
        lost.into_iter().map(|(one, (rank, item))| Asked { one, rank, item }).collect()
    }

    /// One of this sequence leaves, if it waits: of those that are behind each other it is searched for. Returns those who
    /// would go on with what it was to begin.
    pub fn remove(
        &mut self,
        id: &CorrelationId,
        rank: Rank,
        hosts: &[Place<H>],
        now: Tick,
    ) -> (Option<T>, Vec<Asked<T>>) {
        let Some(known) = self.known.get_mut(id) else { return (None, Vec::new()) };
        let taken = self
            .waiting
            .get_mut(&known.at)
            .and_then(|waiting| waiting.later.remove(&rank).or_else(|| waiting.first.remove(&rank)));
        let asked = |(one, (rank, item))| Asked { one, rank, item };
        if let Some(first) = taken {
            let lost = if first.one.start { known.behind.take_goers_on(0) } else { Vec::new() };
            self.len -= 1 + lost.len();
            let mut lost: Vec<_> = lost.into_iter().map(asked).collect();
            lost.extend(self.over(id, false, hosts, now));
            return (Some(first.item), lost);
        }
        let Some(((_, item), lost)) = known.behind.take(|(other, _)| *other == rank) else {
            return (None, Vec::new());
        };
        self.len -= 1 + lost.len();
        (Some(item), lost.into_iter().map(asked).collect())
    }

    /// Hosts have come or gone, as they may have since the last look: whoever waits for one that is gone goes elsewhere,
    /// if he begins his sequence. Returns those who cannot.
    pub fn move_to(&mut self, hosts: &[Place<H>], now: Tick) -> Vec<Asked<T>> {
        let gone = |at: &Option<H>| !is_there(*at, hosts);
        let keys: Vec<_> = self.waiting.keys().filter(|at| gone(at)).copied().collect();
        let mut not_started = Vec::new();
        for at in keys {
            if at.is_none() && hosts.is_empty() {
                continue; // until one comes
            }
            let Some(Waiting { later, first }) = self.waiting.remove(&at) else { continue };
            for asked in later.into_values().chain(first.into_values()) {
                self.len -= 1;
                if at.is_none()
                    && let Some(known) = self.known.get_mut(&asked.one.id)
                {
                    known.at = home(&asked.one.id, hosts);
                }
                not_started.extend(self.again(asked, hosts, now));
            }
        }
        not_started
    }

    /// Takes out all that wait.
    pub fn clear(&mut self) -> Vec<T> {
        let mut all = Vec::with_capacity(self.len);
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            for asked in waiting.later.into_values().chain(waiting.first.into_values()) {
                let behind = self.known.remove(&asked.one.id).map(|known| known.behind);
                all.push(asked.item);
                all.extend(behind.into_iter().flatten().map(|(_, (_, item))| item));
            }
        }
        for known in self.known.values_mut() {
            all.extend(std::mem::take(&mut known.behind).into_iter().map(|(_, (_, item))| item));
        }
        self.len = 0;
        all
    }

    /// Forgets sequences of which nothing came for so long.
    pub fn expire(&mut self, idle: Duration, now: Tick) {
        while let Some(first) = self.quiet.first_entry() {
            let (since, _) = *first.key();
            if since.plus(idle) > now && self.known.len() <= MOST {
                return;
            }
            self.known.remove(&first.remove());
        }
    }

    /// When a sequence may be over next of which a host still keeps something; never, where all have requests here.
    /// `None`: there is no such sequence.
    pub fn next_expiry(&self, idle: Duration, hosts: &[Place<H>]) -> Option<Tick> {
        let is_kept = |id: &CorrelationId| {
            self.known.get(id).is_some_and(|known| !known.behind.is_lost() && is_there(known.at, hosts))
        };
        let busy = self.known.len() > self.quiet.len();
        let first = || self.quiet.iter().find(|(_, id)| is_kept(id)).map(|((since, _), _)| since.plus(idle));
        first().or_else(|| busy.then_some(Tick::NEVER))
    }

    fn wait(&mut self, at: Option<H>, asked: Asked<T>) {
        let new = || Waiting { later: BTreeMap::new(), first: BTreeMap::new() };
        let waiting = self.waiting.entry(at).or_insert_with(new);
        let queue = if asked.one.start { &mut waiting.first } else { &mut waiting.later };
        queue.insert(asked.rank, asked);
        self.len += 1;
    }
}

fn is_there<H: Copy + Ord>(at: Option<H>, hosts: &[Place<H>]) -> bool {
    at.is_some_and(|at| hosts.iter().any(|place| place.host == at))
}

#[cfg(test)]
#[path = "affinity_tests.rs"]
mod tests;
