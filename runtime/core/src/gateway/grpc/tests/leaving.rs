//! Who leaves early: the client, its connection, the server.

use super::bench::{INFER, STREAM, bench, infer, post, receive};
use crate::wire::oip_proto::messages::ModelStreamInferResponse;
use h2::Reason;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_reset_cancels_its_call_and_no_other() {
    let mut bench = bench().await;
    bench.hold();
    let (gone, mut gone_stream) = bench.open(post(INFER));
    gone_stream.send_data(infer("gone", b"x"), true).unwrap();
    bench.held(1).await;
    let (stays, mut stream) = bench.open(post(INFER));
    stream.send_data(infer("stays", b"x"), true).unwrap();
    bench.held(2).await;

    gone_stream.send_reset(Reason::CANCEL);
    drop(gone);
    while bench.echo.cancelled.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    let first = bench.echo.held.lock()[0].id;
    assert_eq!(*bench.echo.cancelled.lock(), [first]);
    bench.echo.answer(1);
    assert_eq!(receive(stays).await.unwrap().status(), "0");
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_cancels_all_of_its_calls() {
    let mut bench = bench().await;
    bench.hold();
    let mut calls = Vec::new();
    for path in [INFER, STREAM, INFER] {
        let (response, mut stream) = bench.open(post(path));
        stream.send_data(infer("", b"x"), false).unwrap();
        if path == INFER {
            stream.send_data(bytes::Bytes::new(), true).unwrap();
        }
        calls.push((response, stream));
        bench.held(calls.len()).await;
    }
    bench.line.abort();
    tokio::time::timeout(Duration::from_secs(1), bench.server).await.unwrap().unwrap();
    assert_eq!(bench.echo.cancelled.lock().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_finishes_what_it_took() {
    let mut bench = bench().await;
    bench.hold();
    let (response, mut stream) = bench.open(post(INFER));
    stream.send_data(infer("", b"x"), true).unwrap();
    bench.held(1).await;
    bench.stop.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!bench.server.is_finished());
    bench.echo.answer(0);
    assert_eq!(receive(response).await.unwrap().status(), "0");
    tokio::time::timeout(Duration::from_secs(1), bench.server).await.unwrap().unwrap();
    assert!(bench.line.await.unwrap().is_ok(), "the client was told, not cut off");
}

/// It counts as a request that is served, of which there is a limit: many that say nothing would keep all others out.
#[tokio::test(start_paused = true)]
async fn a_stream_that_asks_nothing_ends_in_time_and_one_that_is_asked_does_not() {
    for asked in [0, 1] {
        let mut bench = bench().await;
        bench.hold();
        let (response, mut stream) = bench.open(post(STREAM));
        let got = tokio::spawn(receive(response));
        for _ in 0..asked {
            tokio::time::sleep(Duration::from_secs(200)).await;
            stream.send_data(infer("", b"x"), false).unwrap();
            bench.held(1).await;
            tokio::time::sleep(Duration::from_secs(400)).await;
            bench.echo.answer(0);
        }
        tokio::time::sleep(Duration::from_secs(299)).await;
        assert!(!got.is_finished(), "{asked}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(got.is_finished(), "{asked}");
        let got = got.await.unwrap().unwrap();
        assert_eq!(got.status(), "14");
        assert!(got.note().contains("asked nothing for 300s (limit idle_timeout_ms)"), "{}", got.note());
        assert_eq!(got.messages::<ModelStreamInferResponse>().len(), asked);
    }
}

/// With a message that has only begun, too: it was not taken.
#[tokio::test(start_paused = true)]
async fn a_server_that_stops_ends_streams_once_they_are_answered() {
    for (asked, begun) in [(0, 0), (0, 7), (2, 0)] {
        let mut bench = bench().await;
        bench.hold();
        let (response, mut stream) = bench.open(post(STREAM));
        for _ in 0..asked {
            stream.send_data(infer("", b"x"), false).unwrap();
        }
        bench.held(asked).await;
        stream.send_data(infer("", b"x").slice(..begun), false).unwrap();
        let got = tokio::spawn(receive(response));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!got.is_finished());
        bench.stop.send_replace(true);
        if asked > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!got.is_finished(), "what runs is answered first");
        }
        (0..asked).for_each(|_| bench.echo.answer(0));
        let soon = Duration::from_secs(1);
        let got = tokio::time::timeout(soon, got).await.unwrap().unwrap().unwrap();
        assert_eq!((got.messages::<ModelStreamInferResponse>().len(), got.status()), (asked, "14"));
        tokio::time::timeout(soon, bench.server).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_cancels_what_a_broken_stream_still_runs() {
    let mut bench = bench().await;
    bench.hold();
    let (response, mut stream) = bench.open(post(STREAM));
    stream.send_data([&infer("", b"x")[..], &[9, 9, 9, 9, 9]].concat().into(), false).unwrap();
    bench.held(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stream.send_reset(Reason::CANCEL);
    drop(response);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.echo.cancelled.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_calls_is_closed_in_time() {
    let bench = bench().await;
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert!(!bench.server.is_finished());
    tokio::time::timeout(Duration::from_secs(3), bench.server).await.unwrap().unwrap();
}

/// Not a byte, and a greeting cut short.
#[tokio::test(start_paused = true)]
async fn who_does_not_greet_is_left() {
    use tokio::io::AsyncWriteExt;
    for greeting in [&b""[..], b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
        let gateway = bench().await.gateway;
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let (_stop, told) = tokio::sync::watch::channel(false);
        let server = tokio::spawn(crate::gateway::grpc::connection::serve(
            ours,
            crate::gateway::Client::new(gateway),
            std::sync::Arc::default(),
            told,
        ));
        theirs.write_all(greeting).await.unwrap();
        tokio::time::timeout(Duration::from_secs(11), server).await.unwrap().unwrap();
    }
}
