//! In every order: a lane that rests is woken while one at work may emit or is gone, each sequence ends once, and no part
//! follows the end.

use super::{
    conduct::Conduct,
    desk::{Desk, contract},
    intake::Intake,
    outputs::Output,
    sequence::Sequence,
    step::Joined,
};
use crate::base::{
    call::{Call, Carrier},
    clock,
    contract::Contract,
    datatype::Datatype,
    fault::Kind,
    primitive::{Mutex, model, model::check, thread},
    units::{CallId, Rows, Tick},
};
use smallvec::smallvec;
use std::{sync::Arc, time::Duration};

fn opened(conduct: Conduct) -> (Arc<Intake>, Arc<Desk>) {
    let contract = Contract { streams: true, ..contract(2, 1) };
    (Arc::new(Intake::new(Arc::new(contract), conduct, None, None)), Arc::default())
}

fn apart(intake: &Arc<Intake>, work: impl FnOnce(&Arc<Intake>) + Send + 'static) -> thread::JoinHandle<()> {
    let intake = Arc::clone(intake);
    model::spawn(move || work(&intake))
}

fn ask(intake: &Intake, desk: &Arc<Desk>, id: u64) {
    intake.send(Call { credit: 1, ..desk.call(id, &[0.0]) });
}

fn say(sequence: &Sequence) {
    let (datatype, shape) = (Datatype::Fp32, smallvec![1, 1]);
    let _ = sequence.emit(vec![Output::Fixed { datatype, shape, data: &[0; 4] }]);
}

/// Says two parts to each and ends it, as far as it may.
fn lane(intake: &Arc<Intake>) -> thread::JoinHandle<()> {
    apart(intake, |intake| {
        let mut at_work: Vec<(Arc<Sequence>, u32)> = Vec::new();
        while let Some(mut step) = intake.next_step() {
            let left = step.take_left();
            at_work.retain(|(sequence, _)| !left.contains(&sequence.number()));
            at_work.extend(step.take_joined().into_iter().map(|Joined { sequence, .. }| (sequence, 0)));
            for (sequence, said) in &mut at_work {
                if !sequence.is_paused() {
                    say(sequence);
                    *said += 1;
                }
                if *said == 2 {
                    let _ = sequence.end();
                }
            }
            let ended = step.finish();
            at_work.retain(|(sequence, _)| !ended.contains(&sequence.number()));
        }
    })
}

fn end(intake: &Arc<Intake>, desk: &Desk, calls: usize, lane: thread::JoinHandle<()>) {
    desk.wait_for(calls);
    intake.close();
    lane.join().unwrap();
    assert!(intake.wait_empty(Tick::NEVER));
    assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO), "rows are given back");
    assert_eq!(desk.outcomes.lock().len(), calls);
}

/// It is paused after one part: without the wake-up nobody would say the second.
#[test]
fn credit_wakes_a_lane_whose_sequences_are_all_paused() {
    check("steps, paused", 3, || {
        let (intake, desk) = opened(Conduct::default());
        let lane = lane(&intake);
        ask(&intake, &desk, 1);
        desk.wait_for_part();
        intake.credit(CallId(1), 1);
        end(&intake, &desk, 1, lane);
        assert_eq!(desk.kind(1), None);
    });
}

/// What it says comes from another thread, while the lane rests, is about to, or is in its step.
#[test]
fn who_wakes_a_sequence_that_rests_has_it_stepped() {
    check("steps, resting", 3, || {
        let (intake, desk) = opened(Conduct::default());
        let (made, elsewhere) =
            (Arc::<Mutex<bool>>::default(), Arc::<Mutex<Option<Arc<Sequence>>>>::default());
        let lane = apart(&intake, {
            let (made, elsewhere) = (Arc::clone(&made), Arc::clone(&elsewhere));
            move |intake| {
                while let Some(mut step) = intake.next_step() {
                    if let Some(Joined { sequence, .. }) = step.take_joined().pop() {
                        *elsewhere.lock() = Some(sequence);
                    }
                    let sequence = elsewhere.lock().clone().unwrap();
                    sequence.rest().unwrap();
                    if *made.lock() {
                        let _ = sequence.end();
                    }
                    step.finish();
                }
            }
        });
        ask(&intake, &desk, 1);
        let maker = apart(&intake, move |intake| {
            *made.lock() = true;
            if let Some(sequence) = elsewhere.lock().clone() {
                intake.wake(&sequence);
            }
        });
        maker.join().unwrap();
        end(&intake, &desk, 1, lane);
        assert_eq!(desk.kind(1), None);
    });
}

/// So does a caller that leaves, and a call that comes meanwhile.
#[test]
fn a_caller_that_leaves_and_one_that_comes_wake_it() {
    check("steps, left", 3, || {
        let (intake, desk) = opened(Conduct::default());
        let lane = lane(&intake);
        ask(&intake, &desk, 1);
        desk.wait_for_part();
        let leaves = apart(&intake, |intake| intake.cancel(CallId(1)));
        ask(&intake, &desk, 2);
        desk.wait_for(1);
        intake.cancel(CallId(2));
        end(&intake, &desk, 2, lane);
        leaves.join().unwrap();
        assert_eq!(desk.kind(1), Some(Kind::Cancelled));
    });
}

/// The host ends while the lane is in a step, or between two.
#[test]
fn sequences_that_are_abandoned_end_once() {
    check("steps, abandoned", 3, || {
        let (intake, desk) = opened(Conduct::default());
        ask(&intake, &desk, 1);
        let lane = lane(&intake);
        let ends = apart(&intake, |intake| assert!(intake.wait_empty(Tick::NEVER)));
        intake.abandon();
        [lane, ends].into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(desk.outcomes.lock().len(), 1);
        assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO), "rows are given back");
    });
}

/// The watch gives a step up while its lane comes back with it.
#[test]
fn a_step_that_is_given_up_is_answered_once() {
    check("steps, hung", 3, || {
        let conduct = Conduct { hang_timeout: Some(Duration::ZERO), ..Conduct::default() };
        let (intake, desk) = opened(conduct);
        ask(&intake, &desk, 1);
        let lane = lane(&intake);
        let watch = apart(&intake, |intake| {
            if let Some((over, limit)) = intake.look(clock::now()).step {
                intake.answer_for_step(&over, limit);
            }
        });
        watch.join().unwrap();
        intake.abandon();
        lane.join().unwrap();
        assert!(intake.wait_empty(Tick::NEVER));
        assert_eq!(desk.outcomes.lock().len(), 1);
        assert_eq!(intake.occupancy(), (Rows::ZERO, Rows::ZERO), "rows are given back");
    });
}
