//! Ways that a call can go.

use super::bench::*;
use crate::base::{
    call::{Outlet, Window},
    fault::{Kind, Phase},
    inference::Wanted,
    roster::Roster,
    units::{Rows, Version},
};
use std::future::ready;
use std::sync::Arc;

#[tokio::test(start_paused = true)]
async fn an_answer_comes_back_whole_and_is_counted_once() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 16);
    let asked = start(&gateway, ask(2, 7)).await;
    gateway.executed(&contract(1), execution(2));
    host.answer();
    let answer = asked.await.unwrap().unwrap();
    assert_eq!((answer.id.as_str(), answer.contract.version), ("7", Version(1)));
    assert_eq!(answer.outputs[0].1.data.as_ref(), [7, 7]);
    let row = &gateway.statistics(None, None).unwrap()[0];
    assert_eq!((row.success.count, row.fail.count, row.inference_count, row.execution_count), (1, 0, 2, 1));
    assert_eq!(gateway.ledger.taken(), 0);
    assert_eq!(gateway.flights.len(), 0);
}

/// As its caller is told, who has not left.
#[tokio::test(start_paused = true)]
async fn a_panic_over_an_answer_is_counted_as_one() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 16);
    let reserved = gateway.ledger.take(1).unwrap();
    let asked = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move {
            gateway
                .infer(Box::new(ask(1, 7)), reserved, async |_| -> Result<(), _> { panic!("on purpose") })
                .await
        }
    });
    settle_down().await;
    host.answer();
    assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::Internal);
    let counted =
        |kind| format!("headrace_request_failures_total{{model=\"m\",version=\"1\",kind=\"{kind}\"}} 1\n");
    let page = gateway.metrics();
    assert!(page.contains(&counted("internal")) && !page.contains(&counted("cancelled")), "{page}");
    assert_all_over(&gateway, 1);
}

#[tokio::test(start_paused = true)]
async fn rows_beyond_the_window_wait_and_go_in_order() {
    let gateway = gateway();
    let (id, host) = up(&gateway, contract(1), 4);
    let mut asked = Vec::new();
    for fill in 0..4 {
        asked.push(start(&gateway, ask(2, fill)).await);
    }
    assert_eq!(host.rows(), 4);
    host.answer();
    assert_eq!(host.rows(), 4, "the third took the place of the first");
    gateway.carrier_window(id, Window { rows: Rows::new(6) });
    assert_eq!(host.rows(), 6);
    for _ in 0..3 {
        host.answer();
    }
    for (fill, asked) in (0..).zip(asked) {
        assert_eq!(asked.await.unwrap().unwrap().outputs[0].1.data.as_ref(), [fill, fill]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_fits_nowhere_is_refused_at_once() {
    let gateway = gateway();
    let kind = async |inference| {
        let reserved = gateway.ledger.take(1).unwrap();
        gateway.infer(Box::new(inference), reserved, |answer| ready(Ok(answer))).await.unwrap_err()
    };
    let nobody = kind(ask(1, 0)).await;
    assert_eq!(nobody.kind, Kind::Unavailable);
    assert!(
        nobody.note.contains("version 1 has no host") && nobody.note.contains("[error id e-"),
        "{nobody}"
    );
    let (_, _host) = up(&gateway, contract(1), 1);
    let mut other = ask(1, 0);
    other.model = "n".into();
    assert_eq!(kind(other).await.note, "Request for unknown model: 'n' is not found");
    let mut other = ask(1, 0);
    other.version = Some(Version(9).into());
    assert_eq!(kind(other).await.note, "Request for unknown model: 'm' version 9 is not found");
    assert_eq!(kind(ask(9, 0)).await.kind, Kind::TooLarge);
    let mut held = vec![start(&gateway, ask(1, 0)).await];
    for _ in 0..2 {
        held.push(start(&gateway, ask(8, 0)).await);
    }
    let full = kind(ask(1, 0)).await;
    assert_eq!(full.kind, Kind::Overloaded);
    assert!(full.note.contains("16 rows wait, at most 16 may"), "{full}");
    assert_eq!(failures(&gateway), 2, "too large, overloaded; the others reached no version");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_is_not_asked_again() {
    let gateway = gateway();
    let (_, host) = up(&gateway, contract(1), 8);
    let asked = start(&gateway, ask(1, 0)).await;
    host.fail(Kind::ModelFailed, Phase::Started);
    assert_eq!(asked.await.unwrap().unwrap_err().kind, Kind::ModelFailed);
    assert_eq!((host.len(), successes(&gateway), failures(&gateway)), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn only_the_outputs_that_are_wanted_come_back() {
    let gateway = gateway();
    let mut two = contract(1);
    two.outputs.push(two.outputs[0].clone());
    two.outputs[1].name = "z".into();
    let (_, host) = up(&gateway, two, 8);
    let mut inference = ask(1, 5);
    inference.outputs = vec![Wanted { name: "z".into(), binary: None, classification: 0, region: None }];
    let (one, other) = (start(&gateway, inference.clone()).await, start(&gateway, inference).await);
    host.answer_with(2);
    host.answer_with(1);
    let places: Vec<_> = one.await.unwrap().unwrap().outputs.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [1]);
    let fault = other.await.unwrap().unwrap_err();
    assert!(fault.note.contains("1 outputs, the contract has 2"), "{fault}");
}
