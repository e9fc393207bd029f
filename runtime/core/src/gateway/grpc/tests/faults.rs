//! What a fault is to who reads it and to who counts.

use super::bench::{Bench, INFER, STREAM, bench, infer, post, prefixed, receive};
use crate::base::{
    fault::{Fault, Kind},
    panics,
};
use crate::gateway::grpc::status::{Code, code};
use crate::wire::oip_proto::messages::{ModelInferRequest, ModelStreamInferResponse};
use bytes::Bytes;
use prost::Message;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const LOAD: &str = "/inference.GRPCInferenceService/RepositoryModelLoad";

fn has_id(note: &str) -> bool {
    note.ends_with(']') && note.contains(" [error id e-")
}

#[tokio::test(start_paused = true)]
async fn what_the_server_is_to_blame_for_has_an_id() {
    for kind in Kind::ALL {
        for path in [INFER, STREAM] {
            let mut bench = bench().await;
            bench.hold();
            let (response, mut stream) = bench.open(post(path));
            stream.send_data(infer("", b"x"), true).unwrap();
            bench.held(1).await;
            let call = bench.echo.held.lock().remove(0);
            call.reply.refuse(Fault::new(*kind, "as told"));
            let got = receive(response).await.unwrap();
            let note = match path {
                INFER => got.note().to_owned(),
                _ => got.messages::<ModelStreamInferResponse>().remove(0).error_message,
            };
            let ours = matches!(code(*kind), Code::DeadlineExceeded | Code::Internal | Code::Unavailable)
                && *kind != Kind::Slow;
            assert_eq!(has_id(&note), ours, "{kind:?} on {path}: {note}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_front_itself_finds_has_one_too() {
    let mut bench = bench().await;
    let load = bench.call(post(LOAD), prefixed(b"")).await;
    assert!(load.status() == "14" && has_id(load.note()), "{}", load.note());
    let (response, _stream) = bench.open(post(STREAM));
    bench.stop.send_replace(true);
    let left = receive(response).await.unwrap();
    assert!(left.status() == "14" && has_id(left.note()), "{}", left.note());
}

fn refused(bench: &Bench) -> Vec<(String, u64)> {
    let page = bench.gateway.metrics();
    let lines = page.lines().filter(|line| line.starts_with("headrace_requests_refused_total{"));
    let counts = lines.map(|line| {
        let (labels, count) = line.rsplit_once(' ').unwrap();
        (labels.split('"').nth(1).unwrap().to_owned(), count.parse().unwrap())
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_by_the_front_is_counted_once() {
    let nobody = ModelInferRequest { model_name: "nobody".into(), ..Default::default() };
    let whole = infer("", b"x");
    let table: [(&str, Bytes, bool, &str); 6] = [
        (INFER, Bytes::from_static(b"\0\0\0\0\x01\xff"), true, "invalid"),
        (INFER, Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]), false, "too_large"),
        (INFER, whole.slice(..7), false, "slow"),
        (INFER, prefixed(&nobody.encode_to_vec()), true, "not_found"),
        (STREAM, Bytes::from_static(b"\0\0\0\0\x01\xff"), true, "invalid"),
        (STREAM, whole.slice(..7), false, "slow"),
    ];
    for (path, body, ends, kind) in table {
        let mut bench = bench().await;
        let (response, mut stream) = bench.open(post(path));
        stream.send_data(body, ends).unwrap();
        receive(response).await.unwrap();
        assert_eq!(refused(&bench), [(kind.to_owned(), 1)], "{path}");
    }
    let mut bench = bench().await;
    bench.call(post("/inference.GRPCInferenceService/Nothing"), Bytes::new()).await;
    assert_eq!(refused(&bench), [("unsupported".to_owned(), 1)]);
    let (response, mut stream) = bench.open(post(STREAM));
    tokio::time::sleep(Duration::from_secs(1)).await;
    stream.send_reset(h2::Reason::CANCEL);
    drop(response);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(refused(&bench).len(), 1, "who ends a stream between two requests takes none along");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stalls_is_its_senders_doing() {
    let mut bench = bench().await;
    for path in [INFER, STREAM] {
        let (response, mut stream) = bench.open(post(path));
        stream.send_data(infer("", b"x").slice(..7), false).unwrap();
        let slow = receive(response).await.unwrap();
        assert!(slow.status() == "4" && !has_id(slow.note()), "{}", slow.note());
    }
    assert_eq!(bench.gateway.logged(), [""; 0]);
}

/// Not of a version, for its message was not whole.
#[tokio::test(start_paused = true)]
async fn who_leaves_before_its_message_is_whole_is_counted_once() {
    let mut bench = bench().await;
    let (response, mut stream) = bench.open(post(INFER));
    stream.send_data(infer("", b"x").slice(..7), false).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(refused(&bench), []);
    stream.send_reset(h2::Reason::CANCEL);
    drop(response);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(refused(&bench), [("cancelled".to_owned(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_call_and_not_the_connection() {
    for path in [INFER, STREAM] {
        let mut bench = bench().await;
        bench.hold();
        let (other, mut stream) = bench.open(post(INFER));
        stream.send_data(infer("", b"x"), true).unwrap();
        bench.held(1).await;
        bench.echo.breaks.store(true, Relaxed);
        let (response, mut stream) = bench.open(post(path));
        stream.send_data(infer("", b"x"), true).unwrap();
        let told = receive(response).await.unwrap();
        let note = match path {
            INFER => told.note().to_owned(),
            _ => told.messages::<ModelStreamInferResponse>().remove(0).error_message,
        };
        assert!(note.contains("a bug of headrace ended this request") && has_id(&note), "{path}: {note}");
        bench.echo.answer(0);
        assert_eq!(receive(other).await.unwrap().status(), "0", "a call of the same connection");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_a_call_is_known_is_answered_too() {
    const FRAGILE: &str = "/inference.GRPCInferenceService/Fragile";
    let mut bench = bench().await;
    panics::plant(FRAGILE);
    let told = bench.call(post(FRAGILE), infer("", b"x")).await;
    assert!(told.status() == "13" && has_id(told.note()), "{}", told.note());
    assert_eq!(bench.call(post(FRAGILE), infer("", b"x")).await.status(), "12", "the next one is answered");
}
