//! Answers that nobody reads, and those that are read slowly.

use super::bench::{Client, request, start};
use crate::gateway::Limits;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const ECHO: &str = "POST /v2/models/s/infer";
const AS_BYTES: &str = "inference-header-content-length: 0\r\n";
/// Much more than a line and its two ends hold.
const LARGE: usize = 8 << 20;

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_is_given_up() {
    let server = start(Limits { body_timeout_ms: 300, ..Limits::default() }, false).await;
    let mut client = Client::over(server.line());
    client.send(&request(ECHO, AS_BYTES, &vec![7; LARGE])).await;
    sleep(Duration::from_secs(2)).await;
    assert!(client.reply().await.is_none(), "the answer is not there as a whole");
}

/// A part of the next head comes while the answer waits to be read.
#[tokio::test(start_paused = true)]
async fn who_reads_late_loses_neither_answer_nor_connection() {
    let server = start(Limits { header_timeout_ms: 200, ..Limits::default() }, false).await;
    let mut client = Client::over(server.line());
    client.send(&request(ECHO, AS_BYTES, &vec![7; LARGE])).await;
    sleep(Duration::from_millis(500)).await;
    let next = request("GET /v2/health/live", "", b"");
    let (begun, rest) = next.split_at(20);
    client.send(begun).await;
    sleep(Duration::from_secs(1)).await;
    client.send(rest).await;
    let large = client.reply().await.unwrap();
    assert!(large.status() == 200 && large.body.len() > LARGE);
    assert_eq!(client.reply().await.unwrap().text(), r#"{"live":true}"#);
}

/// Asks over HTTP/2 for an answer of `len` bytes and takes `part` of it each `pause`, sending pings all the while;
/// returns how much came before the connection ended, if it did.
async fn read_slowly(limits: Limits, len: usize, part: usize, pause: Duration) -> (usize, bool) {
    let server = start(limits, false).await;
    let (client, mut connection) = h2::client::handshake(server.line()).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let driver = tokio::spawn(connection);
    let pings = tokio::spawn(async move {
        while pings.ping(h2::Ping::opaque()).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    let mut client = client.ready().await.unwrap();
    let ask = http::Request::post("http://x/v2/models/s/infer");
    let ask = ask.header("inference-header-content-length", "0").body(()).unwrap();
    let (response, mut stream) = client.send_request(ask, false).unwrap();
    stream.send_data(vec![7; len].into(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let (mut held, mut read) = (0, 0);
    let ended = loop {
        match timeout(Duration::from_secs(5), body.data()).await {
            Ok(Some(Ok(data))) => (held, read) = (held + data.len(), read + data.len()),
            Ok(None) => break false,
            Ok(Some(Err(_))) => break true,
            Err(_) => panic!("neither bytes nor an end after {read}"),
        }
        if held >= part {
            sleep(pause).await;
            body.flow_control().release_capacity(held).unwrap();
            held = 0;
        }
    };
    driver.abort();
    pings.abort();
    (read, ended)
}

#[tokio::test(start_paused = true)]
async fn pings_do_not_keep_an_answer_that_nobody_reads() {
    let limits = Limits { body_timeout_ms: 200, ..Limits::default() };
    // What is left fits one part, or does not.
    for len in [100_000, 3_000_000] {
        let (read, ended) = read_slowly(limits.clone(), len, usize::MAX, Duration::ZERO).await;
        assert!(ended && read < len, "{read} of {len}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_read_slowly_comes_whole() {
    let limits = Limits { body_timeout_ms: 600, idle_timeout_ms: 600, ..Limits::default() };
    let (read, ended) = read_slowly(limits, 3_000_000, 30_000, Duration::from_millis(20)).await;
    assert!(!ended && read > 3_000_000, "{read}");
}
