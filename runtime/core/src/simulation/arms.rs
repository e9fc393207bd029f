//! Two versions of a model in one process, as `--engine local` has them, under traffic of which each batch is the
//! product's: routed, queued, batched, answered and counted as evidence by it, on a clock that a program outside moves.

use super::{
    caller::Wish,
    crowd::{Crowd, Nature},
    gateway::inference,
    host::contract,
    process::Process,
    rows::{self, HEAD, Verb},
};
use crate::base::{
    clock,
    contract::Batching,
    datatype::Datatype,
    fault::{Fault, Kind},
};
use crate::gateway::{Client, Gateway, GatewaySettings};
use crate::host::{Batch, Conduct, Gathered, Host, Intake, Output};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::ready;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const MAX_ROWS: u32 = 16;
const MOMENT: Duration = Duration::from_micros(1);
/// How long, by the machine's own clock, a second waits for the thread that compares answers: in a tenth of a
/// millisecond each.
const MOST_LOOKS: u32 = 500;

/// What callers heard: of which request, and from which version where it was an answer.
type Ends = Arc<Mutex<Vec<(u64, Result<u64, Fault>)>>>;

/// Requests that a version has answered or failed at, and that it has failed at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Ended {
    pub(super) all: u64,
    pub(super) failed: u64,
}

#[derive(Debug)]
struct Arm {
    version: u64,
    nature: Nature,
    intake: Arc<Intake>,
    work: Option<Work>,
}

#[derive(Debug)]
struct Work {
    batch: Batch,
    rows: Vec<rows::Row>,
    fails: bool,
    done: Duration,
}

/// Version 1 is the baseline.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) gateway: Arc<Gateway>,
    arms: [Arm; 2],
    crowd: Crowd,
    now: Duration,
    last_id: u64,
    ends: Ends,
    /// Batches that were begun and are not run again for a failure, by version: what has to be counted as runs.
    pub(super) begun: BTreeMap<u64, u64>,
    pub(super) ended: BTreeMap<u64, Ended>,
    /// Requests that a version failed at: whatever batch has one again fails again.
    spoiled: HashMap<u64, u64>,
    /// Requests that the baseline has answered: what the candidate is asked of these is a copy.
    answered: HashSet<u64>,
    /// Of these, copies that have come back since the table.
    copies: HashSet<u64>,
    /// Pairs that had been compared before it.
    paired: u64,
    /// How many of them were waited for in vain.
    uncompared: u64,
    _host: Arc<Host>,
    /// Last, for what is above must go while it still runs.
    process: Process,
}

impl Node {
    pub(super) fn new(seed: u64, candidate: Nature) -> Node {
        let process = Process::new();
        let gateway = Gateway::new(GatewaySettings::default()).unwrap();
        gateway.seed(seed);
        process.within(|| gateway.begin(process.handle().clone()));
        let host = Arc::new(Host::new(None, None));
        host.attach(gateway.clone()).unwrap();
        let arm = |(version, nature)| {
            let batching = Batching { max_rows: MAX_ROWS, queue_rows: 4096, ..Batching::default() };
            let concurrency = Some(NonZeroU32::MIN);
            let conduct = Conduct { concurrency, hang_timeout: None, prepares: false, lender: None };
            let intake = process.within(|| host.open(contract(version, batching, 1), conduct).unwrap());
            Arm { version, nature, intake, work: None }
        };
        let arms = [(1, Nature::BASELINE), (2, candidate)].map(arm);
        Node {
            gateway,
            arms,
            crowd: Crowd::new(seed),
            now: Duration::ZERO,
            last_id: 0,
            ends: Ends::default(),
            begun: BTreeMap::new(),
            ended: BTreeMap::new(),
            spoiled: HashMap::new(),
            answered: HashSet::new(),
            copies: HashSet::new(),
            paired: 0,
            uncompared: 0,
            _host: host,
            process,
        }
    }

    pub(super) fn table(&mut self, table: &str) {
        self.process.within(|| self.gateway.apply_policy(table).unwrap());
        self.copies.clear();
        (self.paired, self.uncompared) = (self.pairs(), 0);
    }

    /// All that happens within a second.
    pub(super) fn second(&mut self) {
        let end = Duration::from_secs(self.now.as_secs() + 1);
        let mut coming = self.crowd.second(self.now.as_secs_f64()).into_iter().peekable();
        loop {
            let arrives = coming.peek().map(|one| Duration::from_secs_f64(one.at_s));
            let done = self.arms.iter().filter_map(|arm| arm.work.as_ref().map(|work| work.done)).min();
            let next = arrives.into_iter().chain(done).min().filter(|next| *next < end).unwrap_or(end);
            self.process.pass(next.saturating_sub(self.now));
            self.now = self.now.max(next);
            if next == end {
                break;
            }
            if arrives == Some(next) {
                let is_poison = coming.next().is_some_and(|one| one.is_poison);
                self.ask(if is_poison { Verb::Raise } else { Verb::Answer });
            }
            (0..2).for_each(|at| self.finish(at));
            self.process.turn(4);
            self.read_ends();
            (0..2).for_each(|at| self.take_up(at));
        }
        self.wait_for_pairs();
    }

    fn ask(&mut self, verb: Verb) {
        self.last_id += 1;
        let id = self.last_id;
        let wish = Wish { id, version: None, rows: 1, width: HEAD, verb, patience: None };
        let (gateway, ends) = (Arc::clone(&self.gateway), Arc::clone(&self.ends));
        self.process.within(|| {
            let (inference, reserved) = inference(&Client::new(Arc::clone(&gateway)), wish);
            self.process.handle().spawn(async move {
                let version = |answer: crate::base::inference::Answer| ready(Ok(answer.contract.version.0));
                let end = gateway.infer(inference, reserved, version).await;
                ends.lock().push((id, end));
            })
        });
    }

    /// A lane that is free takes what waits.
    fn take_up(&mut self, at: usize) {
        let (now, arm) = (self.now, &mut self.arms[at]);
        if arm.work.is_some() {
            return;
        }
        let Some((batch, entered)) = self.process.within(|| arm.intake.try_next_batch(false)) else { return };
        assert!(entered, "one lane has the model for itself");
        let Some(Gathered::Fixed { data, .. }) = batch.inputs().first() else {
            panic!("a batch without its input");
        };
        let rows: Vec<_> = data.chunks(HEAD).map(|row| rows::read(row).unwrap()).collect();
        let spoiled = |(id, _, verb): &rows::Row| {
            *verb == Verb::Raise || self.spoiled.get(id).is_some_and(|version| *version == arm.version)
        };
        let again = rows.iter().any(|row| self.spoiled.get(&row.0) == Some(&arm.version));
        let fails = rows.iter().any(spoiled) || self.crowd.fails(arm.nature, now.as_secs_f64());
        if !again {
            *self.begun.entry(arm.version).or_default() += 1;
        }
        let takes_s = self.crowd.takes_s(arm.nature, rows.len(), now.as_secs_f64());
        arm.work = Some(Work { batch, rows, fails, done: now + Duration::from_secs_f64(takes_s) });
    }

    fn finish(&mut self, at: usize) {
        let (now, arm) = (self.now, &mut self.arms[at]);
        let Some(Work { batch, rows, fails, .. }) = arm.work.take_if(|work| work.done <= now) else { return };
        // An answer takes a moment to be cut up: of one that took none another server would be thought to have run it.
        let returned = self.process.within(clock::now);
        self.process.pass(MOMENT);
        self.now += MOMENT;
        let version = arm.version;
        if version == 2 {
            self.copies.extend(rows.iter().map(|row| row.0).filter(|id| self.answered.contains(id)));
        }
        if fails {
            self.spoiled.extend(rows.iter().map(|row| (row.0, version)));
            return self.process.within(|| batch.fail(returned, "told to".to_owned()));
        }
        let data: Vec<_> = self.crowd.differ(arm.nature, rows.len()).into_iter().map(u8::from).collect();
        let shape = [i64::try_from(rows.len()).unwrap(), 1].as_slice().into();
        let output = Output::Fixed { datatype: Datatype::Uint8, shape, data: &data };
        let refused = self.process.within(|| batch.complete(returned, Ok(vec![output])));
        assert_eq!(refused, None, "a right answer was refused");
    }

    fn read_ends(&mut self) {
        for (id, end) in self.ends.lock().drain(..) {
            let (version, failed) = match end {
                Ok(version) => (version, false),
                Err(fault) if fault.kind == Kind::ModelFailed => (self.spoiled[&id], true),
                Err(fault) => panic!("nobody must hear: {fault}"),
            };
            let ended = self.ended.entry(version).or_default();
            ended.all += 1;
            ended.failed += u64::from(failed);
            if version == 1 && !failed {
                self.answered.insert(id);
            }
        }
    }

    /// Answers are compared by a thread, whose time is not this node's.
    fn wait_for_pairs(&mut self) {
        for _ in 0..MOST_LOOKS {
            if self.copies.len() as u64 <= self.pairs().saturating_sub(self.paired) + self.uncompared {
                return;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        self.uncompared = (self.copies.len() as u64).saturating_sub(self.pairs().saturating_sub(self.paired));
    }

    /// Those that were looked at: units of evidence are of several.
    fn pairs(&self) -> u64 {
        let told: serde_json::Value =
            serde_json::from_str(&self.process.within(|| self.gateway.stats())).unwrap();
        let against =
            told["shadows"].as_array().into_iter().flatten().flat_map(|one| one["against"].as_array());
        let found = against.flatten().map(|one| {
            let failed = one["found"]["failed"].as_object().into_iter().flat_map(|failed| failed.values());
            let ends = ["compared", "primary_failed", "both_failed"].map(|end| &one["found"][end]);
            failed.chain(ends).filter_map(serde_json::Value::as_u64).sum::<u64>()
        });
        found.sum()
    }

    pub(super) fn evidence(&self) -> String {
        self.process.within(|| self.gateway.evidence())
    }
}
