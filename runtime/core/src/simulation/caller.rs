//! Somebody who asks, and what may be the end of it.

use super::{
    book::Book,
    host::repeat,
    reader::Reader,
    rows::{self, Verb},
    stage::plan,
};
use crate::base::{
    fault::{Fault, Kind},
    inference::Answer,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::AbortHandle;

pub(super) type End = Arc<Mutex<Option<Result<Said, Fault>>>>;

/// What it was told.
#[derive(Debug)]
pub(super) enum Said {
    Whole(Box<Answer>),
    /// So many parts, each the right one.
    InParts(u32),
    /// Another one than was due, or one too many.
    Wrong(String),
}

/// What a caller sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) id: u64,
    pub(super) version: Option<u64>,
    pub(super) rows: u32,
    pub(super) width: usize,
    pub(super) verb: Verb,
    pub(super) patience: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Caller {
    pub(super) wish: Wish,
    pub(super) gateway: u64,
    pub(super) deadline: Option<Duration>,
    pub(super) end: End,
    pub(super) task: AbortHandle,
    /// Of an answer in parts.
    pub(super) reader: Option<Arc<Reader>>,
    /// Turns of its gateway when it was first seen to be late.
    pub(super) late_since: Option<u64>,
}

/// How a world may treat its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Nothing happens but traffic.
    Calm,
    /// What operators do: drains, new hosts, other limits and tables. Nobody is refused for it.
    Change,
    /// Everything dies, freezes and is cut off.
    Storm,
}

impl Caller {
    /// `Err`: this must not happen.
    pub(super) fn judge(
        &self,
        end: &Result<Said, Fault>,
        now: Duration,
        weather: Weather,
        book: &Book,
    ) -> Result<(), String> {
        let id = self.wish.id;
        match end {
            Ok(Said::Wrong(wrong)) => Err(wrong.clone()),
            Ok(Said::Whole(answer)) if self.may_be_answered() => self.is_mine(answer),
            Ok(Said::InParts(parts)) if self.may_be_answered() => {
                let (want, _) = plan(id, self.wish.rows);
                (*parts == want).then_some(()).ok_or(format!("caller {id} had {parts} parts of {want}"))
            }
            Ok(_) => Err(format!("caller {id} asked for {:?} and was answered", self.wish.verb)),
            Err(fault) if self.may_hear(fault, now, weather, book) => Ok(()),
            Err(fault) => Err(format!("caller {id} ({:?}) must not hear: {fault}", self.wish)),
        }
    }

    fn may_be_answered(&self) -> bool {
        matches!(self.wish.verb, Verb::Answer | Verb::Hang)
    }

    /// Parts that it has heard.
    pub(super) fn heard(&self) -> u32 {
        self.reader.as_ref().map_or(0, |reader| reader.heard.load(Relaxed))
    }

    /// It would hear of its end.
    pub(super) fn listens(&self) -> bool {
        self.reader.as_ref().is_none_or(|reader| reader.listens())
    }

    fn may_hear(&self, fault: &Fault, now: Duration, weather: Weather, book: &Book) -> bool {
        let failed = book.was_in_a_failure(self.wish.id);
        match fault.kind {
            Kind::Invalid => self.wish.verb == Verb::Reject,
            Kind::ModelFailed => failed,
            // Who is told before its deadline is told that it was not begun.
            Kind::Expired => {
                self.deadline.is_some_and(|deadline| deadline <= now || fault.note.contains("would pass"))
            }
            // The queue is small; a host without room for what was sent is another matter.
            Kind::Overloaded => {
                let in_vain = self.deadline.is_some() && fault.note.contains(" is busy: ");
                in_vain || fault.note.starts_with("the queue of model")
            }
            // A host that stood still may find a batch overdue when it goes on.
            Kind::Unavailable | Kind::HostLost | Kind::ModelHung => weather == Weather::Storm,
            // As it comes, where operators have lowered what a request may have.
            Kind::TooLarge => {
                let may_have = |most: u32| fault.note.contains(&format!("batch-size must be <= {most} "));
                weather != Weather::Calm && (1..self.wish.rows).any(may_have)
            }
            Kind::NotFound
            | Kind::Forbidden
            | Kind::Unsupported
            | Kind::Slow
            | Kind::Cancelled
            | Kind::Internal => false,
        }
    }

    /// Every row of the answer is of this caller's request.
    pub(super) fn is_mine(&self, answer: &Answer) -> Result<(), String> {
        let Wish { id, version, rows, width, verb, .. } = self.wish;
        let served = answer.contract.version.0;
        if version.is_some_and(|version| version != served) {
            return Err(format!("caller {id} wanted version {version:?} and was served by {served}"));
        }
        let repeat = repeat(served, width);
        let want = rows::answers(id, rows, verb, width, repeat);
        match answer.outputs.as_slice() {
            [(0, output)] if output.data == want => Ok(()),
            [(0, output)] => {
                let head: Vec<_> = output.data.iter().take(rows::HEAD).map(|byte| !byte).collect();
                Err(format!("caller {id} was answered with other rows, which begin with {head:?}"))
            }
            outputs => Err(format!("caller {id} was answered with {} outputs", outputs.len())),
        }
    }
}
