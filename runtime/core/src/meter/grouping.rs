//! Which calls were answered by one thing that happened: they are one unit of evidence, however many there were.

use super::together::Stay;
use crate::base::{call::Timing, units::Tick};
use crate::decide::policy::Judged;
use std::collections::VecDeque;
use std::time::Duration;

/// Runs that are followed at once; a batch is settled within moments, and there are as many as lanes.
const MOST_OPEN: usize = 64;

/// Whoever of a run was not heard of after this long has left before its end.
const PATIENCE: Duration = Duration::from_secs(2);

/// By each line, whether it was on the wrong side.
pub(super) type Marks = [bool; Judged::MOST_LINES];

/// By the first line alone.
pub(super) fn only(mark: bool) -> Marks {
    let mut marks = Marks::default();
    if let Some(first) = marks.first_mut() {
        *first = mark;
    }
    marks
}

/// What a call that ended has heard from the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Answer(Marks),
    /// That what it sent is wrong.
    Refusal,
    Nothing,
}

/// Calls that are one unit: those with an answer, how many of them were bad by each line, and those that were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    calls: u32,
    bad: [u32; Judged::MOST_LINES],
    refused: u32,
    /// Of those with an answer.
    stay: Stay,
}

impl Group {
    fn add(&mut self, marks: Marks, stay: Stay) {
        self.stay = self.stay.with(stay);
        self.calls = self.calls.saturating_add(1);
        for (bad, mark) in self.bad.iter_mut().zip(marks) {
            *bad = bad.saturating_add(mark.into());
        }
    }

    fn hears(&mut self, said: Said, stay: Stay) {
        match said {
            Said::Answer(marks) => self.add(marks, stay),
            Said::Refusal => self.refused = self.refused.saturating_add(1),
            Said::Nothing => {}
        }
    }

    /// Of those that were answered or refused, who was refused, from 0 to 1; `None`: nobody was either.
    pub(super) fn refused(&self) -> Option<f64> {
        let heard = f64::from(self.calls) + f64::from(self.refused);
        (heard > 0.0).then(|| f64::from(self.refused) / heard)
    }

    /// Of each line, from 0 to 1; `None` where nobody was answered.
    pub(super) fn shares(&self) -> Option<[f64; Judged::MOST_LINES]> {
        let calls = f64::from(self.calls);
        (self.calls > 0).then(|| self.bad.map(|bad| f64::from(bad) / calls))
    }

    /// From when the first of a run's calls was admitted until it ran; `None` where nobody was answered.
    pub(super) fn stay(&self) -> Option<Stay> {
        (self.calls > 0).then_some(self.stay)
    }

    /// Of the first line.
    pub(super) fn share(&self) -> Option<f64> {
        self.shares().map(|[share, ..]| share)
    }
}

/// What all calls of a run are told, to the nanosecond, and those of no other are: two runs that have the same by chance
/// are mixed, and make one unit or two, so that less is known than happened and never more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    input_ns: u64,
    infer_ns: u64,
    output_ns: u64,
    batch_rows: u32,
}

impl Key {
    pub(super) fn of(timing: &Timing) -> Key {
        let Timing { input_ns, infer_ns, output_ns, batch_rows, .. } = *timing;
        Key { input_ns, infer_ns, output_ns, batch_rows }
    }
}

#[derive(Debug)]
struct Run {
    key: Key,
    since: Tick,
    rows_left: u32,
    heard: Group,
    /// It was a unit already: who is heard of later adds nothing.
    is_told: bool,
}

/// Runs of which some calls were heard of, and not all; the oldest first. Each is one unit at most, unless more than
/// [`MOST_OPEN`] came between two of its calls.
#[derive(Debug, Default)]
pub(super) struct OpenRuns(VecDeque<Run>);

impl OpenRuns {
    /// A call with so many rows ended, now. Returns a run that is over: this one, or the oldest,
    /// whose place was needed.
    pub(super) fn ended(
        &mut self,
        timing: &Timing,
        rows: u32,
        (said, stay): (Said, Stay),
        now: Tick,
    ) -> Option<Group> {
        let key = Key::of(timing);
        // The newest is the likeliest.
        let known = self.0.iter().rposition(|run| run.key == key);
        if let Some(run) = known.and_then(|at| self.0.get_mut(at)) {
            run.hears(rows, said, stay);
            let is_over = run.rows_left == 0;
            return known.filter(|_| is_over).and_then(|at| self.0.remove(at)).and_then(|run| run.unit());
        }
        let heard = Group::default();
        let mut run = Run { key, since: now, rows_left: timing.batch_rows, heard, is_told: false };
        run.hears(rows, said, stay);
        if run.rows_left == 0 {
            return run.unit(); // all that there is while few ask, and never kept
        }
        let needed = if self.0.len() < MOST_OPEN { None } else { self.0.pop_front() };
        self.0.push_back(run);
        needed.and_then(|run| run.unit())
    }

    /// Those that nobody is expected of any more. They stay, for the sake of who comes yet.
    pub(super) fn overdue(&mut self, now: Tick) -> impl Iterator<Item = Group> {
        let late = self.0.iter_mut().filter(move |run| now.since(run.since) > PATIENCE);
        late.filter_map(|run| {
            let unit = run.unit();
            run.is_told |= unit.is_some();
            unit
        })
    }
}

impl Run {
    fn hears(&mut self, rows: u32, said: Said, stay: Stay) {
        self.rows_left = self.rows_left.saturating_sub(rows);
        self.heard.hears(said, stay);
    }

    fn unit(&self) -> Option<Group> {
        (!self.is_told && self.heard != Group::default()).then_some(self.heard)
    }
}

/// Of what has no run of its own: answers in parts, of which each takes many steps, and each step has many. A fault in a
/// step ends all that are in it. So as many answers as a step has rows are one unit: what one step breaks is one at most
/// in all, as a batch would be, and the bad share of units is that of answers. (A unit for each step would hide a model
/// that breaks every answer once behind the hundreds of steps that it broke none in.)
#[derive(Debug, Default)]
pub(super) struct Cohort {
    /// The most rows of a step since its first answer.
    size: u32,
    answered: Group,
}

impl Cohort {
    /// `rows`: of the latest step; 0 where nothing is known of steps, and each answer is a unit.
    pub(super) fn ended(&mut self, marks: Marks, stay: Stay, rows: u32) -> Option<Group> {
        self.size = self.size.max(rows);
        self.answered.add(marks, stay);
        (self.answered.calls >= self.size).then(|| std::mem::take(self).answered)
    }
}

#[cfg(test)]
#[path = "grouping_tests.rs"]
mod tests;
