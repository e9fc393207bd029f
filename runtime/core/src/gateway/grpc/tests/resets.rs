//! Clients that take calls back, by hundreds and without end.

use super::bench::{INFER, bench, bench_of, infer, post};
use crate::gateway::Limits;
use h2::Reason;

/// Deadlines that run out together: before the server looked at the calls, and while they run.
#[tokio::test(start_paused = true)]
async fn a_client_whose_calls_run_out_of_time_together_keeps_its_connection() {
    for seen in [false, true] {
        let mut bench = bench().await;
        bench.hold();
        let calls: Vec<_> = (0..300)
            .map(|at| {
                let (response, mut stream) = bench.open(post(INFER));
                stream.send_data(infer(&at.to_string(), b"x"), true).unwrap();
                (response, stream)
            })
            .collect();
        if seen {
            bench.held(64).await; // what the model's window holds
        }
        for (_, mut stream) in calls {
            stream.send_reset(Reason::CANCEL);
        }
        bench.echo.holds.store(false, std::sync::atomic::Ordering::Relaxed);
        let held = std::mem::take(&mut *bench.echo.held.lock());
        drop(held);
        let got = bench.call(post(INFER), infer("after", b"x")).await;
        assert_eq!(got.status(), "0", "{seen}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_opened_and_reset_without_end_end_the_connection() {
    let limits = Limits { streams: 100, ..Limits::default() };
    let bench = bench_of(limits, &h2::client::Builder::new()).await;
    let mut reset = 0;
    let error = loop {
        let opened = bench.client.clone().ready().await;
        let Ok(mut client) = opened else { break opened.err() };
        let Ok((_, mut stream)) = client.send_request(post(INFER), false) else { break None };
        // The head goes out first, else nobody would hear of the call.
        tokio::task::yield_now().await;
        stream.send_reset(Reason::CANCEL);
        reset += 1;
        assert!(reset < 2000, "nobody stops it");
    };
    assert!(reset > 100, "{reset}");
    assert_eq!(error.and_then(|error| error.reason()), Some(Reason::ENHANCE_YOUR_CALM));
    bench.server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_may_be_served_at_once_are_refused() {
    let limits = Limits { requests: 2, ..Limits::default() };
    let mut bench = bench_of(limits, &h2::client::Builder::new()).await;
    bench.hold();
    let _held: Vec<_> = (0..2)
        .map(|_| {
            let (response, mut stream) = bench.open(post(INFER));
            stream.send_data(infer("", b"x"), true).unwrap();
            (response, stream)
        })
        .collect();
    bench.held(2).await;
    let got = bench.call(post(INFER), infer("", b"x")).await;
    assert_eq!(got.status(), "8");
    assert!(got.note().contains("2 requests are served at once and no more may be (limit requests)"));
}
