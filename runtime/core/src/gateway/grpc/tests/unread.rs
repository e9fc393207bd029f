//! Answers that their client does not take.

use super::bench::{Bench, INFER, bench_of, infer, post, receive};
use crate::base::clock;
use crate::gateway::Limits;
use h2::client::{Builder, ResponseFuture};
use std::time::Duration;

/// A client that may be sent so many bytes for each stream.
async fn bench(limits: Limits, window: u32) -> Bench {
    bench_of(limits, Builder::new().initial_window_size(window).initial_connection_window_size(16 << 20))
        .await
}

fn ask(bench: &mut Bench, len: usize) -> ResponseFuture {
    let (response, mut stream) = bench.open(post(INFER));
    stream.send_data(infer("", &vec![1; len]), true).unwrap();
    response
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_is_given_up_while_others_run() {
    let mut bench = bench(Limits::default(), 1000).await;
    let stalled = ask(&mut bench, 10_000);
    let mut answer = stalled.await.unwrap().into_body();
    bench.hold();
    let running = ask(&mut bench, 100);
    bench.held(1).await;
    let began = clock::now();
    assert_eq!(bench.gateway.unread.taken(), 10_000);
    let end = loop {
        match answer.data().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(end, Some(Err(_))), "the stream is reset");
    assert_eq!((clock::now().since(began).as_secs(), bench.gateway.unread.taken()), (30, 0));
    bench.echo.answer(0);
    assert_eq!(receive(running).await.unwrap().status(), "0", "the connection goes on");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_too_slowly_is_given_up() {
    let mut bench = bench(Limits::default(), 1000).await;
    let mut answer = ask(&mut bench, 4 << 20).await.unwrap().into_body();
    let began = clock::now();
    while let Some(Ok(chunk)) = answer.data().await {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let _ = answer.flow_control().release_capacity(chunk.len());
    }
    assert_eq!(clock::now().since(began).as_secs(), 32, "30 at any pace, and then at 64 KiB a second");
}

/// The model has made them: who reads nothing is told so, and others have their answers.
#[tokio::test(start_paused = true)]
async fn who_leaves_too_much_unread_gets_no_more() {
    let limits = Limits { connection_bytes: 25_000, ..Limits::default() };
    let mut bench = bench(limits, 1000).await;
    let _unread: Vec<_> = (0..2).map(|_| ask(&mut bench, 10_000)).collect();
    while bench.gateway.unread.taken() < 20_000 {
        tokio::task::yield_now().await;
    }
    let got = receive(ask(&mut bench, 10_000)).await.unwrap();
    assert_eq!(got.status(), "8", "{}", got.note());
    assert!(got.note().contains("20000 bytes of this connection's requests and unread answers"));
    assert!(got.note().contains("(limit connection_bytes)"), "{}", got.note());
    assert_eq!(receive(ask(&mut bench, 900)).await.unwrap().status(), "0", "what is small is not counted");
    let rows = bench.gateway.statistics(None, None).unwrap();
    assert_eq!((rows[0].success.count, rows[0].fail.count), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_is_not_counted_any_more() {
    let mut bench = bench(Limits::default(), 1 << 20).await;
    for len in [3000, 10_000, 500_000] {
        assert_eq!(receive(ask(&mut bench, len)).await.unwrap().status(), "0");
        assert_eq!(bench.gateway.unread.taken(), 0, "{len}");
    }
}

/// Small ones, too, though nobody waits for each of them.
#[tokio::test(start_paused = true)]
async fn a_connection_that_leaves_answers_unread_is_not_idle() {
    let mut bench = bench(Limits::default(), 0).await;
    let answer = ask(&mut bench, 100).await.unwrap();
    let began = clock::now();
    bench.server.await.unwrap();
    assert_eq!(clock::now().since(began).as_secs(), 40, "30 to take it and 10 to go");
    drop(answer);
}
