//! A host of the simulated node: the real one, with lanes and models that do as they are told.

use super::{
    book::Book,
    process::Process,
    rows::{self, Row, Verb},
    stage::Stage,
};
use crate::base::{
    clock,
    contract::{Batching, Contract, TensorSpec},
    datatype::Datatype,
    units::{Rows, Version},
};
use crate::host::{Batch, Conduct, Gathered, Host, Intake, Output};
use crate::link::Log;
use crate::mem::arena::Arena;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(super) const MODEL: &str = "m";
pub(super) const MAX_ROWS: u32 = 4;
/// What a model may take for a batch.
pub(super) const HANG: Duration = Duration::from_secs(2);
/// Enough for a few large tensors, so that it is full now and then.
pub(super) const ARENA: usize = 384 << 10;

/// The version that answers in parts.
pub(super) const STREAMS: u64 = 3;

/// Versions 1 and 3 may run twice; version 2 may not, and answers small inputs at length.
pub(super) fn contract(version: u64, batching: Batching, lanes: u32) -> Contract {
    let spec = |name: &str| TensorSpec::new(name, Datatype::Uint8, [-1]);
    Contract {
        model: MODEL.into(),
        version: Version(version),
        platform: "simulated".into(),
        inputs: vec![spec("x")],
        outputs: vec![spec("y")],
        batching,
        repeatable: version != 2,
        lanes: if version == STREAMS { 1 } else { lanes },
        streams: version == STREAMS,
        unbatched: false,
        sequences: None,
        feedback: None,
    }
}

/// How often a version says a row of this width.
pub(super) fn repeat(version: u64, width: usize) -> usize {
    if version == 2 && width <= 2048 { 40 } else { 1 }
}

#[derive(Debug)]
pub(super) struct HostProcess {
    pub(super) id: u64,
    pub(super) path: PathBuf,
    pub(super) host: Arc<Host>,
    pub(super) arena: Arena,
    pub(super) shelves: Vec<Shelf>,
    /// Since when it takes no more.
    pub(super) draining: Option<Duration>,
    /// A batch was given up: it will end itself.
    pub(super) hangs: bool,
    /// Last, for what is above must go while it still runs.
    pub(super) process: Process,
}

/// A version, and the lanes that run it.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) version: u64,
    pub(super) intake: Arc<Intake>,
    lanes: Vec<Option<Work>>,
    /// Of the version that answers in parts.
    stage: Stage,
}

#[derive(Debug)]
struct Work {
    batch: Batch,
    /// `None` while others are in the model.
    done: Option<Duration>,
}

/// What became of a lane's step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Idle,
    Went,
    /// The batch has a row that kills.
    Killed,
}

impl HostProcess {
    pub(super) fn start(
        id: u64,
        folder: &Path,
        contracts: Vec<Contract>,
        concurrency: u32,
        log: Log,
    ) -> HostProcess {
        let process = Process::new();
        let path = folder.join(format!("h{id}"));
        let arena = Arena::new(ARENA).unwrap();
        let host = Arc::new(Host::new(Some(arena.clone()), None));
        process.within(|| host.listen_on(process.handle(), &path, log).unwrap());
        let shelf = |contract: Contract| {
            let concurrency = NonZeroU32::new(concurrency.min(contract.lanes));
            // Every third host has lanes that prepare.
            let conduct = Conduct {
                concurrency,
                hang_timeout: Some(HANG),
                prepares: id.is_multiple_of(3),
                lender: None,
            };
            let lanes = (0..contract.lanes).map(|_| None).collect();
            let version = contract.version.0;
            let intake = process.within(|| host.open(contract, conduct).unwrap());
            Shelf { version, intake, lanes, stage: Stage::default() }
        };
        let shelves = contracts.into_iter().map(shelf).collect();
        HostProcess { id, path, host, arena, shelves, draining: None, hangs: false, process }
    }

    /// One lane takes up a batch, or finishes the one it has once its time has come.
    pub(super) fn lane(
        &mut self,
        (shelf, lane): (usize, usize),
        now: Duration,
        takes: Duration,
        book: &mut Book,
    ) -> Result<Lane, String> {
        let Some(shelf) = shelf.checked_rem(self.shelves.len()).and_then(|at| self.shelves.get_mut(at))
        else {
            return Ok(Lane::Idle);
        };
        let at = lane % shelf.lanes.len();
        let hears = takes.as_micros().is_multiple_of(2);
        let here = (self.id, shelf.version);
        if shelf.version == STREAMS {
            return self.process.within(|| shelf.stage.turn(&shelf.intake, (now, takes), here, book));
        }
        self.process.within(|| match shelf.lanes[at].take() {
            None => {
                let Some((batch, entered)) = shelf.intake.try_next_batch(hears) else {
                    return Ok(Lane::Idle);
                };
                let work = shelf.lanes[at].insert(Work { batch, done: None });
                if entered { work.begin(now, takes, here, book) } else { Ok(Lane::Went) }
            }
            Some(work) if work.done.is_none() => match shelf.intake.try_enter(work.batch) {
                None => Ok(Lane::Went),
                Some((batch, entered)) => {
                    let work = shelf.lanes[at].insert(Work { batch, done: None });
                    if entered { work.begin(now, takes, here, book) } else { Ok(Lane::Idle) }
                }
            },
            Some(work) if work.done.is_some_and(|done| done <= now) => {
                finish(work.batch, shelf.version, book).map(|()| Lane::Went)
            }
            busy => {
                shelf.lanes[at] = busy;
                Ok(Lane::Idle)
            }
        })
    }

    pub(super) fn lanes(&self) -> Vec<(usize, usize)> {
        let of = |(at, shelf): (usize, &Shelf)| (0..shelf.lanes.len()).map(move |lane| (at, lane)).collect();
        self.shelves.iter().enumerate().flat_map(|shelf| -> Vec<_> { of(shelf) }).collect()
    }

    pub(super) fn versions(&self) -> Vec<u64> {
        self.shelves.iter().map(|shelf| shelf.version).collect()
    }

    pub(super) fn is_idle(&self) -> bool {
        let idle = |intake: &Arc<Intake>| intake.occupancy() == (Rows::ZERO, Rows::ZERO);
        self.shelves.iter().all(|shelf| idle(&shelf.intake))
    }

    pub(super) fn drain(&mut self, now: Duration) {
        self.draining = Some(now);
        self.process.within(|| drop(self.host.take_no_more()));
    }

    /// The rest of a drain. False: calls were left.
    pub(super) fn finish(&mut self) -> bool {
        let taken: Vec<_> = self.shelves.iter().map(|shelf| Arc::clone(&shelf.intake)).collect();
        self.process.within(|| self.host.finish(&taken, clock::now()))
    }

    /// Its memory goes as a dead process's does: with all that its tasks held.
    pub(super) fn end(self) {
        let HostProcess { process, host, shelves, arena, .. } = self;
        arena.die();
        process.within(|| drop((shelves, host)));
    }
}

impl Work {
    /// The model gets it.
    fn begin(
        &mut self,
        now: Duration,
        takes: Duration,
        (host, version): (u64, u64),
        book: &mut Book,
    ) -> Result<Lane, String> {
        let rows = read(&self.batch)?;
        book.started(host, version, &rows);
        let has = |wanted| rows.iter().any(|(_, _, verb)| *verb == wanted);
        if has(Verb::Kill) {
            self.done = Some(Duration::MAX);
            return Ok(Lane::Killed);
        }
        // On both sides of the limit and at it, or just beyond it: the host has given it up and has not ended yet.
        let hangs = if takes.as_micros().is_multiple_of(3) { HANG + takes } else { takes * 200 };
        if takes.as_micros().is_multiple_of(5) {
            self.batch.entrance().launched();
        }
        if takes.as_micros().is_multiple_of(7) {
            // The rest is its lane's.
            let left = self.batch.entrance().left();
            self.batch.has_left(left);
        }
        self.done = Some(now + if has(Verb::Hang) { hangs } else { takes });
        Ok(Lane::Went)
    }
}

/// Also of callers that are gone: what a model was given is its own until it returns.
fn read(batch: &Batch) -> Result<Vec<Row>, String> {
    let Some(Gathered::Fixed { shape, data, .. }) = batch.inputs().first() else {
        return Err("a batch without its input".to_owned());
    };
    let width = usize::try_from(shape[1]).unwrap();
    data.chunks(width).map(|row| rows::read(row).map_err(|why| format!("a model was given {why}"))).collect()
}

fn finish(batch: Batch, version: u64, book: &mut Book) -> Result<(), String> {
    let rows = read(&batch)?;
    let count = i64::from(batch.rows().get());
    let Some(Gathered::Fixed { data, .. }) = batch.inputs().first() else { return Ok(()) };
    let width = data.len() / rows.len();
    book.finished();
    if rows.iter().any(|(_, _, verb)| *verb == Verb::Raise) {
        book.raised(&rows);
        batch.fail(clock::now(), "told to".to_owned());
        return Ok(());
    }
    let repeat = repeat(version, width);
    let mut out = Vec::with_capacity(rows.len() * width * repeat);
    for (at, (caller, index, verb)) in rows.into_iter().enumerate() {
        if verb == Verb::Reject {
            batch.reject(at, "told to");
        }
        out.extend_from_slice(&rows::answer(caller, index, verb, width, repeat));
    }
    let wide = i64::try_from(width * repeat).unwrap();
    let output =
        Output::Fixed { datatype: Datatype::Uint8, shape: [count, wide].as_slice().into(), data: &out };
    match batch.complete(clock::now(), Ok(vec![output])) {
        None => Ok(()),
        Some(why) if why.contains("its callers were not waiting any more") => {
            book.late += 1;
            book.ended -= 1; // it was one when it was given up
            Ok(())
        }
        Some(why) => Err(format!("a right answer was refused: {why}")),
    }
}
