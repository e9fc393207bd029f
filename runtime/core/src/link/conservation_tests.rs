//! Whatever happens in whatever order: every call ends once, and all memory of both sides is free in the end.

use super::testing::{ARENA, Echo, Shelf, pair, until};
use crate::base::{
    call::{Call, Produced},
    fault::{Fault, Kind, Phase},
    units::CallId,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    /// A call of so many bytes, from the arena or the heap.
    Call(usize, bool),
    Cancel(prop::sample::Index),
    /// The host answers, or forgets, one of the calls it holds.
    Answer(prop::sample::Index),
    Forget(prop::sample::Index),
    /// The gateway lets go of one answer.
    Drop(prop::sample::Index),
    /// Frames travel.
    Turn,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let len = prop_oneof![1..100_usize, 10_000..40_000_usize, 60_000..300_000_usize];
    let step = prop_oneof![
        4 => (len, any::<bool>()).prop_map(|(len, inside)| Step::Call(len, inside)),
        1 => index().prop_map(Step::Cancel),
        3 => index().prop_map(Step::Answer),
        1 => index().prop_map(Step::Forget),
        2 => index().prop_map(Step::Drop),
        3 => Just(Step::Turn),
    ];
    prop::collection::vec(step, 1..80)
}

/// One of the calls that the host holds.
fn take(model: &Echo, at: &prop::sample::Index) -> Option<Call> {
    let mut held = model.held.lock();
    (!held.is_empty()).then(|| at.index(held.len())).map(|at| held.swap_remove(at))
}

/// `lose`: in the end the host is gone before it has answered.
async fn run(steps: Vec<Step>, lose: bool) {
    let pair = pair("conservation", Shelf::new(false)).await;
    let carrier = pair.desk.up.lock().values().next().unwrap().1.clone();
    let model = &pair.shelf.model;
    let (mut calls, mut outputs) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Call(len, inside) => {
                let data = vec![u8::try_from(len % 251).unwrap(); len];
                let body = inside.then(|| pair.sends.copy(&data)).flatten().unwrap_or_else(|| data.into());
                calls.push((len, pair.desk.call_through(&carrier, body)));
            }
            Step::Cancel(at) if !calls.is_empty() => carrier.cancel(CallId(at.get(&calls).1)),
            Step::Answer(at) => take(model, &at).into_iter().for_each(|call| model.answer(call)),
            Step::Forget(at) => drop(take(model, &at)),
            Step::Drop(at) if !outputs.is_empty() => {
                outputs.swap_remove(at.index(outputs.len()));
            }
            Step::Cancel(_) | Step::Drop(_) | Step::Turn => {
                tokio::time::sleep(std::time::Duration::from_micros(300)).await;
                let ends = std::mem::take(&mut *pair.desk.ends.lock());
                for (id, ends) in ends {
                    let at = calls.iter().position(|(_, call)| *call == id).expect("a call ends once");
                    let (len, _) = calls.swap_remove(at);
                    outputs.extend(check(len, ends));
                }
            }
        }
    }
    if lose {
        drop(pair.host);
        model.held.lock().clear();
    }
    until("every call has ended", || {
        model.answer_all();
        pair.desk.answered() == calls.len()
    })
    .await;
    let mut ends = std::mem::take(&mut *pair.desk.ends.lock());
    outputs.extend(calls.iter().filter_map(|(len, call)| check(*len, ends.remove(call).unwrap())));
    drop((outputs, ends));
    until("all memory is free", || pair.sends.free_bytes() == ARENA && pair.answers.free_bytes() == ARENA)
        .await;
}

type Ends = Vec<Result<Produced, Fault>>;

/// The output of a call that ended well, which is its input.
fn check(len: usize, ends: Ends) -> Option<Bytes> {
    let [end] = <[_; 1]>::try_from(ends).expect("a call ends once");
    let output = end.ok()?.outputs[0].data.clone();
    assert!(output.len() == len && output.iter().all(|byte| usize::from(*byte) == len % 251));
    Some(output)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 20, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_between_two_processes(steps in steps(), lose: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps, lose));
    }
}

/// More rows than the link's window has, one after the other, none of which is answered well.
#[tokio::test]
async fn rows_of_calls_that_fail_are_given_back() {
    let pair = pair("credit", Shelf::new(false)).await;
    for count in 0..80 {
        let call = pair.desk.call(Bytes::from_static(&[7; 9]));
        until("the model has it", || !pair.shelf.model.held.lock().is_empty()).await;
        let held = pair.shelf.model.held.lock().pop().unwrap();
        let outlet = Arc::clone(held.reply.outlet().unwrap());
        held.reply.refuse(Fault::new(Kind::ModelFailed, "told to").at(Phase::Started));
        outlet.flush();
        until("it is answered", || pair.desk.answered() == 1).await;
        assert_eq!(pair.desk.end(call).unwrap_err().kind, Kind::ModelFailed, "{count}");
    }
}
