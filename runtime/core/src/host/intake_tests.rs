use super::super::{
    Batch,
    desk::{Desk, contract},
    entrance::Entered,
    room::Turn,
    runs::Entry,
};
use super::*;
use crate::base::{
    fault::{Kind, Phase},
    panics,
};
use crate::link::host::Ear;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

impl Intake {
    /// The same without blocking: `None` if there is nothing to run now. An idle lane's ear hears what came.
    /// False: others are in the model.
    pub(crate) fn try_next_batch(self: &Arc<Intake>, hears: bool) -> Option<(Batch, bool)> {
        if let Some(ear) = self.ear.as_ref().filter(|_| hears) {
            ear.ring();
            ear.listen();
        }
        let mut leaving = Leaving::new();
        let turn = {
            let mut state = self.state.lock();
            let turn = state.room.turn(clock::now(), &mut leaving);
            if matches!(turn, Turn::Run { entered: true, .. }) {
                self.set_watch(&mut state);
            }
            if state.room.is_empty() {
                self.empty.notify_all();
            }
            turn
        };
        answer(leaving);
        self.settle_slots(self.state.lock());
        match turn {
            Turn::Run { calls, running, entered, search } => {
                Some((Batch::gather(Arc::clone(self), calls, running, search, &self.staging), entered))
            }
            Turn::Wait { .. } | Turn::Idle | Turn::Closed => None,
        }
    }

    /// As a lane waits for the model, without blocking. `None`: it hangs, and the batch is given back.
    pub(crate) fn try_enter(&self, mut batch: Batch) -> Option<(Batch, bool)> {
        let mut state = self.state.lock();
        let now = clock::now();
        let entry = state.room.enter(batch.running(), now);
        if entry == Entry::Now {
            self.set_watch(&mut state);
        }
        drop(state);
        match entry {
            Entry::Never => batch.give_back(),
            Entry::Now => {
                batch.has_entered(Entered { ready: now, at: now });
                return Some((batch, true));
            }
            Entry::Later => return Some((batch, false)),
        }
        None
    }
}

fn intake(max_rows: u32, lanes: u32) -> (Arc<Intake>, Arc<Desk>) {
    (
        Arc::new(Intake::new(Arc::new(contract(max_rows, lanes)), Conduct::default(), None, None)),
        Arc::default(),
    )
}

fn rows(batch: &Batch) -> u32 {
    batch.rows().get()
}

#[test]
fn what_waits_becomes_one_batch_up_to_the_limit() {
    let (intake, desk) = intake(4, 2);
    for id in 0..6 {
        intake.send(desk.call(id, &[0.0]));
    }
    assert_eq!(intake.occupancy(), (Rows::new(6), Rows::ZERO));
    let first = intake.next_batch().unwrap();
    let second = intake.next_batch().unwrap();
    assert_eq!((rows(&first), rows(&second)), (4, 2));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::new(6)));
    drop((first, second));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO));
}

/// Each link has a whole window, also while the calls of one that ended still run.
#[test]
fn beyond_the_windows_of_many_links_a_call_is_not_admitted() {
    let (intake, desk) = intake(2, 1);
    assert_eq!(intake.window().rows, Rows::new(4));
    for id in 0..=64 {
        intake.send(desk.call(id, &[0.0]));
    }
    let outcomes = desk.outcomes.lock();
    assert_eq!(outcomes.keys().collect::<Vec<_>>(), [&64]);
    let fault = outcomes[&64].result.as_ref().unwrap_err();
    assert_eq!((fault.kind, fault.phase), (Kind::Overloaded, Phase::NotAdmitted));
}

#[test]
fn rows_are_free_before_the_caller_hears_of_it() {
    // An outlet that sends the next call from within an answer, as a gateway with a queue does.
    #[derive(Debug)]
    struct Chain(Arc<Intake>, Arc<Desk>);
    impl crate::base::call::Outlet for Chain {
        fn emit(&self, _: CallId, _: crate::base::call::Produced) {}
        fn settle(&self, _: CallId, _: crate::base::call::Outcome) {
            self.0.send(self.1.call(9, &[0.0, 0.0]));
        }
        fn executed(&self, _: &Contract, _: crate::base::call::Execution) {}
        fn flush(&self) {}
    }
    let (intake, desk) = intake(1, 1);
    let chain = Arc::new(Chain(Arc::clone(&intake), Arc::clone(&desk)));
    let mut call = desk.call(1, &[0.0, 0.0]);
    call.reply.refuse(crate::base::fault::Fault::invalid("replaced"));
    call = desk.call(2, &[0.0, 0.0]);
    let reply = crate::base::call::Reply::new(CallId(2), chain);
    let old = std::mem::replace(&mut call.reply, reply);
    old.refuse(crate::base::fault::Fault::invalid("replaced"));
    intake.send(call);
    drop(intake.next_batch());
    assert_eq!(intake.occupancy(), (Rows::new(2), Rows::ZERO), "the chained call was taken");
    assert_eq!(desk.kind(9), None);
}

#[test]
fn a_cancelled_call_leaves_the_room_or_is_marked() {
    let (intake, desk) = intake(2, 1);
    for id in 0..3 {
        intake.send(desk.call(id, &[0.0]));
    }
    let batch = intake.next_batch().unwrap();
    intake.cancel(CallId(1));
    intake.cancel(CallId(2));
    intake.cancel(CallId(77));
    assert_eq!(batch.live().unwrap(), [(Rows::new(1), true), (Rows::new(1), false)]);
    assert_eq!(desk.kind(2), Some(Kind::Cancelled));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::new(2)));
    drop(batch);
    assert_eq!(desk.outcomes.lock().len(), 3, "the marked one is settled with its batch");
}

#[test]
fn the_expired_are_refused_when_a_lane_looks() {
    let (intake, desk) = intake(4, 1);
    let mut late = desk.call(1, &[0.0]);
    late.deadline = clock::now();
    intake.send(late);
    intake.send(desk.call(2, &[0.0]));
    let batch = intake.next_batch().unwrap();
    assert_eq!((rows(&batch), desk.kind(1)), (1, Some(Kind::Expired)));
}

/// With an ear one of the lanes listens to links, and the bell must reach it.
#[test]
fn a_lane_that_blocks_is_woken_by_a_call_and_by_the_end() {
    for (lanes, ear) in [(3, false), (1, true), (3, true)] {
        let contract = Arc::new(contract(4, lanes));
        let intake = Arc::new(Intake::new(
            contract,
            Conduct::default(),
            None,
            ear.then(|| Box::new(Ear::deaf()) as Box<dyn Listen>),
        ));
        wakes(&intake, lanes);
    }
}

fn wakes(intake: &Arc<Intake>, lanes: u32) {
    let desk = Arc::<Desk>::default();
    let (tell, hear) = sync_channel(8);
    let lanes: Vec<_> = (0..lanes)
        .map(|_| {
            let (intake, tell) = (Arc::clone(intake), tell.clone());
            thread::spawn(move || {
                while let Some(batch) = intake.next_batch() {
                    tell.send(rows(&batch)).unwrap();
                }
            })
        })
        .collect();
    for id in 0..40 {
        intake.send(desk.call(id, &[0.0]));
        assert_eq!(hear.recv().unwrap(), 1);
    }
    desk.wait_for(40);
    intake.close();
    lanes.into_iter().for_each(|lane| lane.join().unwrap());
    intake.send(desk.call(99, &[0.0]));
    assert_eq!(desk.kind(99), Some(Kind::Unavailable));
}

#[test]
fn a_batch_is_held_open_until_it_is_full() {
    let mut contract = contract(2, 1);
    contract.batching.max_delay_ms = 60_000.0;
    let (intake, desk) =
        (Arc::new(Intake::new(Arc::new(contract), Conduct::default(), None, None)), Arc::<Desk>::default());
    let lane = thread::spawn({
        let intake = Arc::clone(&intake);
        move || intake.next_batch().map(|batch| rows(&batch))
    });
    intake.send(desk.call(1, &[0.0]));
    intake.send(desk.call(2, &[0.0]));
    assert_eq!(lane.join().unwrap(), Some(2), "and not a minute later");
}

#[test]
fn limits_change_while_a_batch_is_held_open() {
    let mut contract = contract(2, 1);
    contract.batching.max_delay_ms = 60_000.0;
    let calm = Batching { max_delay_ms: 0.0, max_rows: 8, ..contract.batching.clone() };
    let (intake, desk) =
        (Arc::new(Intake::new(Arc::new(contract), Conduct::default(), None, None)), Arc::<Desk>::default());
    intake.send(desk.call(1, &[0.0]));
    let lane = thread::spawn({
        let intake = Arc::clone(&intake);
        move || intake.next_batch().map(|batch| rows(&batch))
    });
    assert_eq!(intake.update(&calm).rows, Rows::new(16));
    assert_eq!(lane.join().unwrap(), Some(1));
}

#[test]
fn closing_serves_what_waits_and_abandoning_answers_it() {
    let (intake, desk) = intake(1, 4);
    for id in 0..3 {
        intake.send(desk.call(id, &[0.0]));
    }
    intake.close();
    assert!(!intake.wait_empty(clock::now()));
    drop(intake.next_batch());
    intake.abandon();
    assert_eq!((desk.kind(1), desk.kind(2)), (Some(Kind::Unavailable), Some(Kind::Unavailable)));
    assert!(intake.next_batch().is_none());
    assert!(intake.wait_empty(clock::now().plus(Duration::from_secs(60))));
}

#[test]
fn another_contract_is_kept_out() {
    let (intake, desk) = intake(4, 1);
    let mut short = desk.call(1, &[0.0, 1.0]);
    short.inputs[0].data = short.inputs[0].data.slice(..4);
    intake.send(short);
    assert_eq!(desk.kind(1), Some(Kind::Invalid));
    let mut none = desk.call(2, &[0.0]);
    none.inputs.clear();
    intake.send(none);
    assert_eq!(desk.kind(2), Some(Kind::Invalid));
}

/// The lane goes on, and the model is free for the next.
#[test]
fn a_panic_over_a_batch_costs_that_batch() {
    let contract = Contract { model: "fragile".into(), ..contract(1, 2) };
    let conduct = Conduct { concurrency: std::num::NonZeroU32::new(1), ..Conduct::default() };
    let (intake, desk) =
        (Arc::new(Intake::new(Arc::new(contract), conduct, None, None)), Arc::<Desk>::default());
    intake.send(desk.call(1, &[0.0]));
    intake.send(desk.call(2, &[0.0]));
    panics::plant("a batch of fragile");
    let batch = intake.next_batch().unwrap();
    assert_eq!((desk.kind(1), desk.kind(2)), (Some(Kind::Internal), None));
    batch.fail(clock::now(), "it raised".to_owned());
    assert_eq!(desk.kind(2), Some(Kind::ModelFailed));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO));
    intake.close();
    assert!(intake.next_batch().is_none() && intake.wait_empty(Tick::NEVER));
}
