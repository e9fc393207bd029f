//! Whatever happens in whatever order: each call is settled once, no part follows, and none comes without credit.

use super::{Desk, Refused, Step, ask, opened, say, streaming};
use crate::base::{
    call::Carrier,
    clock,
    units::{CallId, Rows},
};
use crate::host::{
    Intake,
    intake::answer,
    room::{Leaving, Next},
    sequence::Sequence,
};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

impl Intake {
    /// As a lane of steps does, without waiting for anything but news of links, if it `hears`.
    pub(crate) fn try_next_step(self: &Arc<Intake>, hears: bool) -> Option<Step> {
        if let Some(ear) = self.ear.as_ref().filter(|_| hears) {
            ear.ring();
            ear.listen();
        }
        let mut leaving = Leaving::new();
        let next = {
            let mut state = self.state.lock();
            let next = state.room.step(self.contract(), clock::now(), &mut leaving);
            if matches!(next, Next::Step(_)) {
                self.set_watch(&mut state);
            }
            if state.room.is_empty() {
                self.empty.notify_all();
            }
            next
        };
        answer(leaving);
        match next {
            Next::Step(begun) => Some(Step::begin(self, *begun)),
            Next::Wait { .. } | Next::Idle | Next::Closed => None,
        }
    }
}

impl Step {
    /// Its callers were answered without it.
    pub(crate) fn is_given_up(&self) -> bool {
        self.rows > Rows::ZERO && self.intake.state.lock().room.step_to_look_at().is_none()
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Ask {
        credit: u32,
    },
    Credit {
        call: u64,
        parts: u32,
    },
    Cancel {
        call: u64,
    },
    /// Of the sequences that the lane knows, one by its place.
    Say {
        place: usize,
    },
    End {
        place: usize,
    },
    Reject {
        place: usize,
    },
    Begin,
    Finish,
    Raise,
    Forget,
}

fn act() -> impl Strategy<Value = Act> {
    let place = || 0..6_usize;
    prop_oneof![
        3 => (1..3_u32).prop_map(|credit| Act::Ask { credit }),
        2 => (1..9_u64, 1..3_u32).prop_map(|(call, parts)| Act::Credit { call, parts }),
        1 => (1..9_u64).prop_map(|call| Act::Cancel { call }),
        6 => place().prop_map(|place| Act::Say { place }),
        2 => place().prop_map(|place| Act::End { place }),
        1 => place().prop_map(|place| Act::Reject { place }),
        6 => Just(Act::Begin),
        5 => Just(Act::Finish),
        1 => Just(Act::Raise),
        1 => Just(Act::Forget),
    ]
}

/// What the lane and the callers do, and what they have to expect.
#[derive(Default)]
struct World {
    asked: u64,
    granted: HashMap<u64, u32>,
    /// Those that the lane has not been told to forget.
    known: Vec<Arc<Sequence>>,
    step: Option<Step>,
}

impl World {
    fn forget(&mut self, left: &[u64]) {
        self.known.retain(|one| !left.contains(&one.number()));
    }

    /// Steps only where it would not block.
    fn begin(&mut self, intake: &Arc<Intake>) {
        let state = intake.state.lock();
        let waits = state.room.has_waiting() && self.known.len() < 3;
        let wanted = waits || state.room.wants_look();
        drop(state);
        if self.step.is_some() || !wanted {
            return;
        }
        let mut step = intake.next_step().unwrap();
        let left = step.take_left();
        self.forget(&left);
        self.known.extend(step.take_joined().into_iter().map(|joined| joined.sequence));
        assert!(self.known.len() <= 3, "max_rows");
        self.step = Some(step);
    }

    fn say(&mut self, place: usize) {
        let Some(sequence) = self.known.get(place) else { return };
        let paused = sequence.is_paused();
        match say(sequence, 1.0) {
            Ok(()) => assert!(!paused && self.step.is_some()),
            Err(Refused::Paused) => assert!(paused),
            Err(Refused::Outside) => assert!(self.step.is_none()),
            Err(Refused::Ended) => {}
            Err(Refused::Wrong(wrong)) => panic!("{wrong}"),
        }
    }

    fn act(&mut self, act: Act, intake: &Arc<Intake>, desk: &Arc<Desk>) {
        match act {
            Act::Ask { credit } if self.asked < 8 => {
                self.asked += 1;
                self.granted.insert(self.asked, credit);
                ask(intake, desk, self.asked, credit);
            }
            Act::Ask { .. } => {}
            Act::Credit { call, parts } => {
                *self.granted.entry(call).or_default() += parts;
                intake.credit(CallId(call), parts);
            }
            Act::Cancel { call } => intake.cancel(CallId(call)),
            Act::Say { place } => self.say(place),
            Act::End { place } => drop(self.known.get(place).map(|one| one.end())),
            Act::Reject { place } => drop(self.known.get(place).map(|one| one.reject("no".to_owned()))),
            Act::Begin => self.begin(intake),
            Act::Finish => {
                let left = self.step.take().map(Step::finish).unwrap_or_default();
                self.forget(&left);
            }
            Act::Raise => {
                let left = self.step.take().map(|step| step.fail("raised".to_owned())).unwrap_or_default();
                self.forget(&left);
            }
            Act::Forget => {
                if self.step.take().is_some() {
                    self.known.clear();
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_call_is_settled_once_and_no_part_follows(acts in prop::collection::vec(act(), 0..80)) {
        let (intake, desk) = opened(streaming(3));
        let mut world = World::default();
        for act in acts {
            world.act(act, &intake, &desk); // the desk refuses a second end, and parts after one
        }
        drop(world.step.take());
        intake.abandon();
        prop_assert!(intake.wait_empty(clock::now()) && intake.next_step().is_none());
        prop_assert_eq!(desk.outcomes.lock().len(), usize::try_from(world.asked).unwrap());
        let (waiting, running) = intake.occupancy();
        prop_assert_eq!((waiting.get(), running.get()), (0, 0));
        for (call, parts) in &*desk.parts.lock() {
            prop_assert!(parts.len() <= usize::try_from(world.granted[call]).unwrap());
        }
    }
}
