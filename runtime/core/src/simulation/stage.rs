//! The lane of a version that answers in parts: it steps those at work, and its model says what was planned for each.

use super::{
    book::Book,
    host::{HANG, Lane},
    rows::{self, Verb},
};
use crate::base::{datatype::Datatype, units::Rows};
use crate::host::{Gathered, Intake, Joined, Output, Refused, Sequence, Step};
use std::sync::Arc;
use std::time::Duration;

/// Parts that answer this caller, and the bytes of a row of each: none, some of a few bytes and more than are sent without
/// being asked for, some that are long, and some of which two come to all that may be on their way.
pub(super) fn plan(caller: u64, rows: u32) -> (u32, usize) {
    let rows = usize::try_from(rows).unwrap();
    let number = u32::try_from(caller % 97).unwrap();
    match caller % 8 {
        0 => (0, 16),
        5 => (number % 40, 2048),
        6 => (number % 20, 70 << 10),
        7 => (number % 6, (600 << 10) / rows),
        _ => (number, 16),
    }
}

/// Each row says whose it is, and of which part.
pub(super) fn part(caller: u64, at: u32, rows: u32, width: usize) -> Vec<u8> {
    let mut bytes = rows::body(caller, rows, Verb::Answer, width);
    for row in bytes.chunks_mut(width) {
        row[rows::HEAD..][..4].copy_from_slice(&at.to_le_bytes());
    }
    bytes
}

/// How many parts a caller has when its verb is done: before the first, or in the midst.
fn until(caller: u64, rows: u32) -> u32 {
    u32::try_from(caller % 3).unwrap().min(plan(caller, rows).0)
}

#[derive(Debug)]
struct Play {
    sequence: Arc<Sequence>,
    caller: u64,
    verb: Verb,
    said: u32,
}

impl Play {
    fn is_due(&self, verb: Verb) -> bool {
        self.verb == verb && self.said >= until(self.caller, self.sequence.rows().get())
    }

    /// A part or some, as long as it may, and the end behind the last.
    fn speak(&mut self, paused: &mut bool) -> Result<(), Refused> {
        if self.verb == Verb::Reject {
            return self.sequence.reject("told to".to_owned());
        }
        let rows = self.sequence.rows().get();
        let (count, width) = plan(self.caller, rows);
        for _ in 0..=self.caller % 3 {
            if self.verb != Verb::Answer && self.is_due(self.verb) {
                return Ok(()); // in the next step
            }
            if self.said == count {
                return self.sequence.end();
            }
            if self.sequence.is_paused() {
                *paused = true;
                return Ok(());
            }
            let data = part(self.caller, self.said, rows, width);
            let shape = [i64::from(rows), i64::try_from(width).unwrap()].as_slice().into();
            self.sequence.emit(vec![Output::Fixed { datatype: Datatype::Uint8, shape, data: &data }])?;
            self.said += 1;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct Stage {
    at_work: Vec<Play>,
    /// Until when the model is in it.
    step: Option<(Step, Duration)>,
}

impl Stage {
    /// Begins a step, or ends the one that there is once its time has come.
    pub(super) fn turn(
        &mut self,
        intake: &Arc<Intake>,
        (now, takes): (Duration, Duration),
        here: (u64, u64),
        book: &mut Book,
    ) -> Result<Lane, String> {
        match self.step.take() {
            None => self.begin(intake, (now, takes), here, book),
            Some((step, done)) if done <= now => self.finish(step, book).map(|()| Lane::Went),
            busy => {
                self.step = busy;
                Ok(Lane::Idle)
            }
        }
    }

    fn begin(
        &mut self,
        intake: &Arc<Intake>,
        (now, takes): (Duration, Duration),
        (host, version): (u64, u64),
        book: &mut Book,
    ) -> Result<Lane, String> {
        let Some(mut step) = intake.try_next_step(takes.as_micros().is_multiple_of(2)) else {
            return Ok(Lane::Idle);
        };
        let left = step.take_left();
        self.forget(&left);
        for joined in step.take_joined() {
            let (caller, verb) = read(&joined)?;
            book.joined(host, version, caller, verb);
            self.at_work.push(Play { sequence: joined.sequence, caller, verb, said: 0 });
        }
        let due = |verb| self.at_work.iter().any(|play| play.is_due(verb));
        let (kills, hangs) = (due(Verb::Kill), due(Verb::Hang));
        let took = if takes.as_micros().is_multiple_of(3) { HANG + takes } else { takes * 200 };
        let done = if hangs { now + took } else { now + takes };
        self.step = Some((step, done));
        Ok(if kills { Lane::Killed } else { Lane::Went })
    }

    fn finish(&mut self, step: Step, book: &mut Book) -> Result<(), String> {
        let (rows, given_up) = (step.rows(), step.is_given_up());
        if given_up {
            book.late += 1;
            self.at_work.clear();
            return match step.finish().as_slice() {
                [] => Ok(()),
                ended => Err(format!("a step that was given up ended {ended:?}")),
            };
        }
        book.finished_step(rows > Rows::ZERO);
        // It hung for as long as it may, and goes on.
        for play in self.at_work.iter_mut().filter(|play| play.is_due(Verb::Hang)) {
            play.verb = Verb::Answer;
        }
        if rows > Rows::ZERO && self.at_work.iter().any(|play| play.is_due(Verb::Raise)) {
            book.raised_for(self.at_work.iter().map(|play| play.caller));
            let ended = step.fail("told to".to_owned());
            self.forget(&ended);
            return Ok(());
        }
        for play in self.at_work.iter_mut().filter(|play| play.sequence.is_live()) {
            let mut paused = false;
            play.speak(&mut paused).map_err(|refused| format!("caller {}: {refused}", play.caller))?;
            book.paused += u64::from(paused);
        }
        let ended = step.finish();
        self.forget(&ended);
        Ok(())
    }

    fn forget(&mut self, numbers: &[u64]) {
        self.at_work.retain(|play| !numbers.contains(&play.sequence.number()));
    }
}

/// Whose it is, if it is still as it was sent.
fn read(joined: &Joined) -> Result<(u64, Verb), String> {
    let Some(Gathered::Fixed { shape, data, .. }) = joined.inputs.first() else {
        return Err("a sequence without its input".to_owned());
    };
    let width = usize::try_from(shape[1]).unwrap();
    let rows: Result<Vec<_>, _> = data.chunks(width).map(rows::read).collect();
    match rows.map_err(|why| format!("a model was given {why}"))?.as_slice() {
        [] => Err("a sequence without rows".to_owned()),
        all @ [(caller, _, verb), ..]
            if all.len() == usize::try_from(joined.sequence.rows().get()).unwrap() =>
        {
            Ok((*caller, *verb))
        }
        all => Err(format!("a sequence with {} rows", all.len())),
    }
}
