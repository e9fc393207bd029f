//! A request of more rows than a batch may have.

use super::bench::*;
use crate::base::{
    clock,
    contract::{Batching, Contract},
    fault::{Kind, Phase},
    inference::{Inference, Value},
};
use std::time::Duration;

fn splits() -> Contract {
    let plain = contract(1);
    let batching = Batching { split_oversize: true, queue_rows: 64, ..plain.batching.clone() };
    Contract { batching, ..plain }
}

/// Rows 0, 1, 2 and so on.
fn counting(rows: u8) -> Inference {
    let mut asked = ask(rows.into(), 0);
    asked.inputs[0].tensor.data = (0..rows).collect::<Vec<_>>().into();
    asked
}

#[tokio::test(start_paused = true)]
async fn a_large_request_runs_in_full_batches_and_has_one_answer() {
    let gateway = gateway();
    let (_, held) = up(&gateway, splits(), 64);
    let asked = start(&gateway, counting(20)).await;
    let rows: Vec<_> = held.calls.lock().iter().map(|call| call.rows.get()).collect();
    assert_eq!(rows, [8, 8, 4]);
    // The last one first: answers are joined in the order of the rows.
    held.calls.lock().reverse();
    (0..3).for_each(|_| held.answer());
    let answer = asked.await.unwrap().unwrap();
    let (_, output) = &answer.outputs[0];
    assert_eq!(
        (output.shape.as_slice(), &output.data[..]),
        (&[20, 1][..], &counting(20).inputs[0].tensor.data[..])
    );
    assert_eq!((answer.timing.infer_ns, answer.timing.batch_rows), (9, 8));
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn where_one_part_fails_the_others_are_taken_back() {
    let gateway = gateway();
    let (_, held) = up(&gateway, splits(), 8);
    let asked = start(&gateway, counting(20)).await;
    assert_eq!(held.len(), 1, "two wait");
    held.fail(Kind::ModelFailed, Phase::Started);
    let fault = asked.await.unwrap().unwrap_err();
    assert_eq!(fault.kind, Kind::ModelFailed);
    settle_down().await;
    while held.len() > 0 {
        held.answer(); // one that was sent meanwhile, for nobody
    }
    assert_all_over(&gateway, 1);
    assert_eq!(failures(&gateway), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_that_fails_ends_it_though_one_before_it_is_in_flight() {
    let gateway = gateway();
    let (_, held) = up(&gateway, splits(), 64);
    let asked = start(&gateway, counting(20)).await;
    held.calls.lock().reverse();
    held.fail(Kind::ModelFailed, Phase::Started);
    settle_down().await;
    assert!(asked.is_finished());
    let fault = asked.await.unwrap().unwrap_err();
    assert!(fault.note.starts_with("of its rows 16 to 19, which are a part of 20: as told"), "{fault}");
    assert_eq!(held.cancelled.lock().len(), 2);
    (0..2).for_each(|_| held.answer());
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_all_parts_along_and_is_counted_once() {
    let gateway = gateway();
    let (_, held) = up(&gateway, splits(), 8);
    let asked = start(&gateway, counting(60)).await;
    asked.abort();
    settle_down().await;
    assert_eq!(held.cancelled.lock().len(), 1, "the others had not been sent");
    held.answer();
    assert_eq!(held.len(), 0);
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_for_the_whole() {
    let gateway = gateway();
    let (_, held) = up(&gateway, splits(), 8);
    let limit = Duration::from_millis(5);
    let asked = start(&gateway, Inference { deadline: clock::now().plus(limit), ..counting(20) }).await;
    held.answer();
    tokio::time::advance(limit).await;
    assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::Expired);
    settle_down().await;
    while held.len() > 0 {
        held.answer();
    }
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_the_queue_or_is_not_to_be_cut_is_refused() {
    let gateway = gateway();
    let (_, held) = up(&gateway, splits(), 8);
    let refused = async |rows| start(&gateway, counting(rows)).await.await.unwrap().unwrap_err();
    let fault = refused(65).await;
    assert_eq!(fault.kind, Kind::TooLarge);
    assert!(fault.note.contains("batch-size must be <= 64"), "{fault}");
    let first = start(&gateway, counting(60)).await;
    let fault = refused(60).await;
    assert_eq!(fault.kind, Kind::Overloaded);
    assert!(fault.note.contains("is full"), "{fault}");
    while !first.is_finished() {
        held.answer();
        settle_down().await;
    }
    assert_eq!(first.await.unwrap().unwrap().outputs[0].1.data.len(), 60);
    assert_all_over(&gateway, 3);
}

#[tokio::test(start_paused = true)]
async fn a_fault_says_of_which_rows_it_is() {
    let gateway = gateway();
    let (_, held) = up(&gateway, splits(), 64);
    let asked = start(&gateway, counting(20)).await;
    held.answer();
    held.fail(Kind::Invalid, Phase::Started);
    let fault = asked.await.unwrap().unwrap_err();
    assert!(fault.note.starts_with("of its rows 8 to 15, which are a part of 20: as told"), "{fault}");
    settle_down().await;
    while held.len() > 0 {
        held.answer();
    }
    let told = gateway.recent();
    assert!(told.contains("\"parts\":3") && told.contains("of its rows 8 to 15"), "{told}");
    assert_all_over(&gateway, 1);
}

/// One tenant may fill half of the queue, so that a request of more could never be let in.
#[tokio::test(start_paused = true)]
async fn what_one_tenant_could_never_have_is_refused_for_good() {
    let gateway = gateway();
    let mut shared = splits();
    shared.batching.tenant_header = Some("x-team".into());
    let (_, held) = up(&gateway, shared, 8);
    let fault = start(&gateway, counting(33)).await.await.unwrap().unwrap_err();
    assert!(fault.kind == Kind::TooLarge && fault.note.contains("must be <= 32"), "{fault}");
    let asked = start(&gateway, counting(32)).await;
    while !asked.is_finished() {
        held.answer();
        settle_down().await;
    }
    assert!(asked.await.unwrap().is_ok());
    assert_all_over(&gateway, 2);
}

/// Each part has a copy of them.
#[tokio::test(start_paused = true)]
async fn parameters_of_a_megabyte_are_not_copied_for_each_part() {
    let gateway = gateway();
    let (_, held) = up(&gateway, splits(), 64);
    let parameters = vec![("long".into(), Value::Text("x".repeat(400 << 10)))];
    let fault = start(&gateway, Inference { parameters: parameters.clone(), ..counting(20) }).await;
    let fault = fault.await.unwrap().unwrap_err();
    assert!(fault.kind == Kind::TooLarge && fault.note.contains("cut into 3 parts"), "{fault}");
    let two = start(&gateway, Inference { parameters, ..counting(16) }).await;
    (0..2).for_each(|_| held.answer());
    assert!(two.await.unwrap().is_ok());
    assert_all_over(&gateway, 2);
}
