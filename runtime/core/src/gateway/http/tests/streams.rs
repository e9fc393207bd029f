//! HTTP/2 on the port of HTTP: cancels, answers that are not taken, and limits.

use super::bench::{Client, Server, ask, request, start};
use crate::gateway::{
    Gateway, GatewaySettings, Limits,
    http::{connection, watch::Watch},
    sockets::crowd::Guest,
};
use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use std::sync::Arc;
use std::time::Duration;

const GOOD: &[u8] = br#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#;

async fn connect(server: &Server, window: u32) -> SendRequest<Bytes> {
    let line = server.line();
    let (client, connection) = Builder::new().initial_window_size(window).handshake(line).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

/// Raw bytes to the model that echoes them.
fn echo(client: &mut SendRequest<Bytes>, len: usize) -> ResponseFuture {
    let ask =
        http::Request::post("http://x/v2/models/s/infer").header("inference-header-content-length", "0");
    let (response, mut stream) = client.send_request(ask.body(()).unwrap(), false).unwrap();
    stream.send_data(vec![7; len].into(), true).unwrap();
    response
}

#[tokio::test]
async fn a_client_whose_requests_run_out_of_time_together_keeps_its_connection() {
    let server = start(Limits::default(), true).await;
    let mut client = connect(&server, 65_535).await;
    for _ in 0..3 {
        let mut sent = Vec::new();
        for _ in 0..200 {
            let ask = http::Request::post("http://x/v2/models/m/infer").body(()).unwrap();
            let (response, mut stream) = client.send_request(ask, false).unwrap();
            stream.send_data(GOOD.into(), true).unwrap();
            sent.push((response, stream));
        }
        sent.into_iter().for_each(|(_, mut stream)| stream.send_reset(h2::Reason::CANCEL));
        let ask = http::Request::get("http://x/v2/health/live").body(()).unwrap();
        let (response, _) = client.send_request(ask, true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
    }
}

/// Whether the server sees them before they are taken back, or both come in one piece. The clock is ours, for it is how
/// many a second that has a bound.
#[tokio::test(start_paused = true)]
async fn requests_that_are_reset_without_end_end_the_connection() {
    const AT_ONCE: usize = 50;
    for in_one_piece in [false, true] {
        let limits = Limits { streams: 100, ..Limits::default() };
        let gateway = Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap();
        let (ours, theirs) = tokio::io::duplex(32 << 10);
        let watch = Arc::<Watch>::default();
        let server = tokio::spawn(connection::serve(ours, gateway, Arc::clone(&watch)));
        let (client, line) = h2::client::handshake(theirs).await.unwrap();
        tokio::spawn(line);
        let mut sent = 0;
        let seen = async |count| {
            while watch.came() < count && !server.is_finished() {
                tokio::task::yield_now().await;
            }
        };
        loop {
            let mut opened = Vec::new();
            while opened.len() < AT_ONCE
                && let Ok(mut client) = client.clone().ready().await
            {
                let ask = http::Request::post("http://x/v2/models/m/infer").body(()).unwrap();
                opened.extend(client.send_request(ask, false));
            }
            sent += u64::try_from(opened.len()).unwrap();
            if !in_one_piece {
                seen(sent).await;
            }
            opened.iter_mut().for_each(|(_, stream)| stream.send_reset(h2::Reason::CANCEL));
            seen(sent).await;
            if opened.len() < AT_ONCE {
                break;
            }
            assert!(sent < 2000, "nobody stops it, in one piece: {in_one_piece}");
        }
        assert!(sent > 100, "{sent}");
        server.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_is_given_up_while_others_run() {
    let server = start(Limits { body_timeout_ms: 300, ..Limits::default() }, false).await;
    let mut client = connect(&server, 1000).await;
    let mut answer = echo(&mut client, 100_000).await.unwrap().into_body();
    assert!(server.gateway.unread.taken() >= 100_000);
    let end = loop {
        // Others go on all the while.
        let other = echo(&mut client, 10).await.unwrap();
        assert_eq!(other.status(), 200);
        match tokio::time::timeout(Duration::from_millis(50), answer.data()).await {
            Ok(Some(Ok(_))) | Err(_) => {}
            Ok(end) => break end,
        }
    };
    assert!(matches!(end, Some(Err(_))), "the stream is reset");
    assert_eq!(echo(&mut client, 10).await.unwrap().status(), 200, "the connection goes on");
    assert_eq!(server.gateway.unread.taken(), 0);
}

/// What the model made is lost to who does not read, and counted so; others have theirs.
#[tokio::test]
async fn answers_that_nobody_reads_have_a_bound() {
    let limits = Limits { unread_bytes: 60_000_000, ..Limits::default() };
    let server = start(limits, false).await;
    let large =
        request("POST /v2/models/s/infer", "inference-header-content-length: 0\r\n", &vec![7; 48 << 20]);
    let mut silent = Client::new(server.at).await;
    silent.send(&large).await;
    while server.gateway.unread.taken() == 0 {
        tokio::task::yield_now().await;
    }
    let mut other = Client::new(server.at).await;
    other.send(&large).await;
    let reply = other.reply().await.unwrap();
    assert_eq!(reply.status(), 429, "{}", reply.text());
    assert!(reply.text().contains("(limit unread_bytes)"), "{}", reply.text());
    let rows = server.gateway.statistics(Some("s"), None).unwrap();
    assert_eq!((rows[0].success.count, rows[0].fail.count), (1, 1));
    let small = ask(server.at, "POST /v2/models/m/infer", "", GOOD).await;
    assert_eq!(small.status(), 200);
    assert_eq!(silent.reply().await.unwrap().body.len(), (48 << 20) + reply_head());
    assert_eq!(server.gateway.unread.taken(), 0);
}

/// Of an answer in bytes: what stands before the tensor.
fn reply_head() -> usize {
    let told = r#"{"model_name":"s","model_version":"2","outputs":[{"name":"y","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":50331652}}]}"#;
    told.len() + 4
}

#[tokio::test]
async fn more_requests_than_may_be_served_at_once_are_refused() {
    let server = start(Limits { requests: 1, ..Limits::default() }, true).await;
    let mut first = Client::new(server.at).await;
    first.send(&request("POST /v2/models/m/infer", "", GOOD)).await;
    server.echo.got.acquire().await.unwrap().forget();
    let second = ask(server.at, "POST /v2/models/m/infer", "", GOOD).await;
    assert_eq!((second.status(), second.header("retry-after")), (429, Some("1")), "{}", second.text());
    assert!(second.text().contains("(limit requests)"), "{}", second.text());
    // An orchestrator that hears no answer would end a server that is merely busy.
    for question in ["GET /v2/health/live", "GET /v2/health/ready", "GET /v2/models/m"] {
        assert_eq!(ask(server.at, question, "", b"").await.status(), 200, "{question}");
    }
    assert_eq!(ask(server.at, "POST /v2/repository/index", "", b"").await.status(), 429);
    assert_eq!(server.gateway.meter().refusals(), 1, "inferences are counted");
    server.echo.release();
    assert_eq!(first.reply().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_is_told_how_many_streams_it_may_have() {
    let server = start(Limits { streams: 7, ..Limits::default() }, false).await;
    let mut client = connect(&server, 65_535).await;
    assert_eq!(echo(&mut client, 10).await.unwrap().status(), 200);
    assert_eq!(client.current_max_send_streams(), 7);
}
