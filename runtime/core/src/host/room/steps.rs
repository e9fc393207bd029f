//! The room of a version that answers in parts: calls that wait, and the sequences at work.

use super::{Leaving, Room};
use crate::base::{
    contract::Contract,
    fault::{Fault, Kind, Phase},
    units::{CallId, Rows, Tick},
};
use crate::host::{
    sequence::Sequence,
    sequences::{Ended, Inside, Joining, Outlets},
};
use std::{sync::Arc, time::Duration};

/// What the lane shall do.
#[derive(Debug)]
pub(in crate::host) enum Next {
    Step(Box<Begun>),
    /// Until then, or something happens: nobody is at work that may emit.
    Wait {
        until: Tick,
    },
    Idle,
    Closed,
}

#[derive(Debug)]
pub(in crate::host) struct Begun {
    pub(in crate::host) inside: Inside,
    pub(in crate::host) joined: Vec<Joining>,
    /// Numbers of those that the lane forgets.
    pub(in crate::host) left: Vec<u64>,
    /// They are to be answered.
    pub(in crate::host) ended: Ended,
    pub(in crate::host) outlets: Outlets,
}

/// Sequences whose rows are free and that are to be answered, and the step that ended them.
#[derive(Debug)]
pub(in crate::host) struct Over {
    pub(in crate::host) inside: Inside,
    pub(in crate::host) sequences: Vec<Arc<Sequence>>,
}

impl Room {
    /// Ends and lets join whoever it is time for. Calls that are late go to `leaving`.
    pub(in crate::host) fn step(
        &mut self,
        contract: &Arc<Contract>,
        now: Tick,
        leaving: &mut Leaving,
    ) -> Next {
        if self.runs.hangs() {
            return Next::Closed;
        }
        let ended = self.sequences.sweep(now);
        for (sequence, _) in &ended {
            self.rows = self.rows.minus(sequence.rows());
        }
        self.line.plan_join(now, self.limits, self.sequences.at_work());
        let before = leaving.len();
        let joining = self.line.take_joining(now, leaving);
        for (late, _) in leaving.iter().skip(before) {
            self.rows = self.rows.minus(late.rows);
        }
        let joined: Vec<_> =
            joining.into_iter().map(|(call, cost)| self.sequences.join(call, cost, contract, now)).collect();
        // A call that joins has credit.
        let rows = self.sequences.ready();
        if rows > Rows::ZERO || self.sequences.has_left() {
            self.settling += u32::from(!ended.is_empty());
            let (left, outlets) = (self.sequences.take_left(), self.sequences.outlets());
            return Next::Step(Box::new(Begun {
                inside: self.sequences.begin(rows, now),
                joined,
                left,
                ended,
                outlets,
            }));
        }
        match self.sequences.are_none() {
            false => Next::Wait { until: self.sequences.next_end() },
            true if self.open => Next::Idle,
            true => Next::Closed,
        }
    }

    /// The model came back with this step. `all`: it raised. `None`: the step was given up before.
    pub(in crate::host) fn end_step(&mut self, step: u64, all: bool) -> Option<Over> {
        let inside = self.sequences.close(step)?;
        let sequences = if all { self.sequences.take_all() } else { self.sequences.take_ended() };
        Some(self.over(inside, sequences))
    }

    pub(in crate::host) fn end_forgotten_step(&mut self) -> Option<Over> {
        let step = self.sequences.inside?.number;
        self.end_step(step, true)
    }

    /// A step that the model does not come back with, and what it was given for it.
    pub(in crate::host) fn give_up_step(&mut self, now: Tick) -> Option<(Over, Duration)> {
        let limit = self.runs.hang_timeout()?;
        self.sequences.busy_since().filter(|since| since.plus(limit) <= now)?;
        let inside = self.sequences.inside?;
        self.sequences.close(inside.number);
        self.runs.let_nobody_in();
        let sequences = self.sequences.take_all();
        Some((self.over(inside, sequences), limit))
    }

    fn over(&mut self, inside: Inside, sequences: Vec<Arc<Sequence>>) -> Over {
        for sequence in &sequences {
            self.rows = self.rows.minus(sequence.rows());
        }
        self.settling += 1;
        Over { inside, sequences }
    }

    /// Those at work end unserved: nobody is left to run them.
    pub(in crate::host) fn clear_sequences(&mut self) -> Ended {
        let sequences = self.sequences.take_all();
        let note = "the model's host is shutting down; try again";
        let fault = Fault::new(Kind::Unavailable, note).at(Phase::Started);
        for sequence in &sequences {
            self.rows = self.rows.minus(sequence.rows());
        }
        self.settling += u32::from(!sequences.is_empty());
        sequences.into_iter().map(|sequence| (sequence, fault.clone())).collect()
    }

    pub(in crate::host) fn credit(&self, id: CallId, parts: u32) {
        if let Some(sequence) = self.sequences.find(id) {
            sequence.add_credit(parts);
        }
    }

    /// A lane that rests would find something to do among those at work.
    pub(in crate::host) fn wants_look(&self) -> bool {
        self.sequences.wants_look()
    }

    pub(in crate::host) fn step_to_look_at(&self) -> Option<Tick> {
        let limit = self.runs.hang_timeout()?;
        self.sequences.busy_since().map(|since| since.plus(limit))
    }
}
