//! An answer on its way to its caller.

use super::{recent::Traced, service::Running};
use crate::base::{
    call::Timing,
    clock,
    fault::{Fault, Kind},
    inference::Inference,
    units::{CallId, Rows, Tick, User},
};
use crate::decide::{facts::Facts, priority};
use crate::gateway::leaving::dropped;
use crate::meter::Ended;
use std::borrow::Cow;
use std::sync::Arc;

/// When a request came, and from whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) arrived: Tick,
    pub(super) admitted: Tick,
    /// Where evidence is counted by users.
    pub(super) user: Option<User>,
}

/// An answer that is counted once its caller has it in the form that it asked for, for that may fail. Whoever drops
/// it before did not wait.
#[derive(Debug)]
pub(in crate::gateway) struct Success {
    pub(super) running: Arc<Running>,
    pub(super) rows: Rows,
    pub(super) came: Came,
    pub(in crate::gateway) timing: Timing,
    /// Of one that is kept.
    pub(super) traced: Option<Box<Traced>>,
    pub(super) counted: bool,
}

impl Success {
    /// Of a request that is cut: it is counted as what it ends with, or as one whose caller left.
    pub(in crate::gateway) fn of(
        running: &Arc<Running>,
        call: CallId,
        rows: Rows,
        (deadline, parts): (Tick, usize),
        inference: &Inference,
    ) -> Success {
        let (arrived, level) =
            (inference.arrived, priority::level(&running.contract.batching, &inference.parameters));
        let (id, tries, note) = (Traced::name(&inference.id), 1, Cow::Borrowed(""));
        let traced = Traced { id, call, rows, level, arrived, deadline, tries, parts, note };
        let traced = Some(Box::new(traced));
        Success {
            running: Arc::clone(running),
            rows,
            came: Came { arrived, admitted: clock::now(), user: running.meter.user(&Facts::of(inference)) },
            timing: Timing::default(),
            traced,
            counted: false,
        }
    }

    /// The caller is told so.
    pub(in crate::gateway) fn fails(mut self, fault: &Fault) {
        if let Some(traced) = &mut self.traced {
            traced.note = fault.note.clone();
        }
        self.count(Some(fault.kind));
    }

    /// It is kept only if it fails.
    pub(in crate::gateway) fn forgets(&mut self) {
        self.traced = None;
    }

    /// `fault`: why the caller gets no answer after all.
    pub(in crate::gateway) fn ends(mut self, fault: Option<&Fault>) {
        match fault {
            Some(fault) => self.fails(fault),
            None => self.count(None),
        }
    }

    fn count(&mut self, fault: Option<Kind>) {
        self.counted = true;
        let (timing, now) = (self.timing, clock::now());
        self.running.settled(self.rows, fault, self.came, timing, now);
        let (Some(traced), recent) = (self.traced.take(), &self.running.recent) else { return };
        match fault {
            None => recent.answered(*traced, &self.running, &timing, now),
            Some(kind) => {
                let note = traced.note.clone();
                recent.failed(|| *traced, &self.running, (kind, &note), &timing, now);
            }
        }
    }
}

impl Running {
    /// A request has ended, and is counted: by its one owner, whoever that is.
    pub(super) fn settled(&self, rows: Rows, fault: Option<Kind>, came: Came, timing: Timing, now: Tick) {
        let Came { arrived, admitted, user } = came;
        let (total, inside) = (now.since(arrived), now.since(admitted));
        let in_parts = self.contract.streams;
        self.meter.settled(&Ended { rows, fault, total, inside, timing, in_parts, user }, now);
    }
}

impl Drop for Success {
    fn drop(&mut self) {
        if !self.counted {
            self.count(Some(dropped()));
        }
    }
}
