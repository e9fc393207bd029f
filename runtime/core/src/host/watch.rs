//! Gives up a batch that a model does not return.
//!
//! One timer for a version. It is set when the model gets a batch while no timer runs, and never moved, though the
//! batch return at once: when it fires, it is set anew by the batch that the model has then. A version that has
//! something to do costs a wake-up each `hang_timeout`, one that is idle nothing, and a batch on its way a look at one
//! flag under a lock that its lane holds anyway.

use super::{
    intake::{Intake, Settling, State},
    room::Over,
    runs::GivenUp,
    settle::{self, Run},
};
use crate::base::{
    clock,
    fault::{Fault, Kind, Phase},
    panics,
    units::{Rows, Tick},
};
use smallvec::SmallVec;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// A batch whose callers were answered without the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hang {
    pub(super) rows: Rows,
    /// What it did not come back within.
    pub(super) limit: Duration,
}

/// What the watch finds when it looks.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) batches: SmallVec<[GivenUp; 1]>,
    /// With the limit that it did not come back within.
    pub(super) step: Option<(Over, Duration)>,
    /// When to look again; `None` while the model has nothing.
    pub(super) next: Option<Tick>,
}

/// Lives as long as the intake. `hung` is called after the callers of a batch have their answers.
pub(super) async fn watch(
    intake: Weak<Intake>,
    alarm: Arc<Notify>,
    limit: Duration,
    hung: impl Fn(&Arc<Intake>, Hang),
) {
    let mut timer = None;
    while intake.strong_count() > 0 {
        let told = alarm.notified();
        let Some(at) = timer else {
            told.await;
            // Not earlier than what has just begun may have to be given up.
            timer = Some(clock::now().plus(limit));
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep_until(clock::instant(at)) => {}
            () = told => continue, // the intake's end: nothing else alarms while a timer runs
        }
        let Some(held) = intake.upgrade() else { return };
        let Looked { batches, step, next } = held.look(clock::now());
        for one in batches {
            let hang = Hang { rows: one.batch.rows(), limit: one.limit };
            // Whatever happens to one caller, the version is closed, and the next one that hangs is seen too.
            let _ = panics::survive(|| held.answer_for(one));
            hung(&held, hang);
        }
        if let Some((over, limit)) = step {
            let _ = panics::survive(|| held.answer_for_step(&over, limit));
            hung(&held, Hang { rows: over.inside.rows, limit });
        }
        timer = next;
    }
}

impl Intake {
    /// Has the watch look when the batch that enters the model now has been there for too long.
    pub(super) fn set_watch(&self, state: &mut State) {
        if !state.watched {
            state.watched = true;
            self.alarm.notify_one();
        }
    }

    pub(super) fn look(&self, now: Tick) -> Looked {
        let mut state = self.state.lock();
        let batches = state.room.give_up(now);
        let step = state.room.give_up_step(now);
        let next = state.room.next_look();
        state.watched = next.is_some();
        if !batches.is_empty() {
            self.entrance.notify_all(); // they will not be let in
        }
        Looked { batches, step, next }
    }

    /// The model keeps the inputs for as long as it likes; its answer, should it come, finds nobody.
    pub(super) fn answer_for(&self, hung: GivenUp) {
        let contract = self.contract();
        let note = format!(
            "model '{}' version {} did not return a batch within {} s and was given up; if one may take longer, raise \
             limits.hang_timeout_s in its model.yaml",
            contract.model,
            contract.version,
            hung.limit.as_secs_f64(),
        );
        let returned = clock::now();
        let run = Run {
            contract,
            arena: self.arena(),
            rows: hung.batch.rows(),
            padded: hung.batch.padded(),
            between_ns: hung.batch.between_ns(),
            cost: hung.batch.cost(),
            extents: &[],
            seated: hung.batch.seated(),
            sealed: hung.batch.sealed(),
            waited_ns: 0,
            input_ns: 0,
            infer_ns: u64::try_from(returned.since(hung.entered).as_nanos()).unwrap_or(u64::MAX),
            returned,
        };
        let fault = Fault::new(Kind::ModelHung, note).at(Phase::Started);
        let _settling = Settling { intake: self, running: &hung.batch };
        settle::settle(&run, hung.seats, Err(fault), |_| {});
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
