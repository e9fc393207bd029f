//! How a stream of parts ends: its reader, its deadline, its server.

use super::bench::{Client, Server, request};
use super::generate::{STREAM, event, server, unchunked, until};
use crate::gateway::Limits;
use std::time::Duration;

/// It is no idle connection, however long its model takes for a part.
#[tokio::test(start_paused = true)]
async fn a_stream_outlasts_what_idle_connections_have() {
    let limits = Limits { header_timeout_ms: 20, idle_timeout_ms: 40, ..Limits::default() };
    let (server, spout) = server(true, limits).await;
    let mut client = Client::over(server.line());
    client.send(&request(STREAM, "", br#"{"prompt":[9]}"#)).await;
    until("it runs", || spout.runs() == 1).await;
    spout.say(1);
    client.reply().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    spout.say(1);
    spout.end();
    let (text, _) = unchunked(&client.until(b"0\r\n\r\n").await);
    assert_eq!(text, [event("0"), event("1")].concat());
}

/// Over HTTP/1.1 and, with others on its connection, over HTTP/2.
#[tokio::test]
async fn who_hangs_up_takes_its_stream_along() {
    let (server, spout) = server(true, Limits::default()).await;
    let mut client = Client::new(server.at).await;
    client.send(&request(STREAM, "", br#"{"prompt":[9]}"#)).await;
    until("it runs", || spout.runs() == 1).await;
    spout.say(1);
    client.reply().await.unwrap();
    drop(client);
    until("it is taken back", || spout.cancelled() == 1).await;
    let mut two = http2(&server).await;
    let answer = ask_h2(&mut two, "{\"prompt\":[9]}");
    until("it runs", || spout.runs() == 1).await;
    spout.say(1);
    let taken = answer.await.unwrap().into_body().data().await.unwrap().unwrap();
    assert_eq!(taken, event("0"));
    until("it is taken back", || spout.cancelled() == 2).await;
    let page = server.gateway.metrics();
    assert!(
        page.contains("headrace_request_failures_total{model=\"g\",version=\"5\",kind=\"cancelled\"} 2\n")
    );
}

async fn http2(server: &Server) -> h2::client::SendRequest<bytes::Bytes> {
    let socket = tokio::net::TcpStream::connect(server.at).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(10_000).initial_connection_window_size(1 << 20);
    let (client, connection) = builder.handshake(socket).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn ask_h2(
    client: &mut h2::client::SendRequest<bytes::Bytes>,
    body: &'static str,
) -> h2::client::ResponseFuture {
    let ask = http::Request::post("http://x/v2/models/g/generate_stream").body(()).unwrap();
    let (response, mut stream) = client.send_request(ask, false).unwrap();
    stream.send_data(body.into(), true).unwrap();
    response
}

/// Of one connection: the slow one's model makes no more than is taken, the other is served, and the slow one is given
/// up.
#[tokio::test]
async fn a_slow_reader_slows_itself_alone_and_is_given_up() {
    let (server, spout) = server(false, Limits { body_timeout_ms: 400, ..Limits::default() }).await;
    let mut client = http2(&server).await;
    let slow = ask_h2(&mut client, "{\"prompt\":[1000000,100]}").await.unwrap();
    until("its model makes no more", || spout.oldest().0 == 0).await;
    let (_, said) = spout.oldest();
    assert!(said < 200, "{said} parts of 256 bytes for a window of 10000, and 16 KiB on their way");
    for _ in 0..3 {
        let mut quick = ask_h2(&mut client, "{\"prompt\":[20]}").await.unwrap().into_body();
        let mut len = 0;
        while let Some(part) = quick.data().await {
            len += part.unwrap().len();
        }
        assert_eq!(len, (0..20).map(|token| event(&token.to_string()).len()).sum::<usize>());
    }
    assert_eq!(spout.oldest(), (0, said));
    until("it is given up", || spout.cancelled() == 1).await;
    drop(slow);
    until("nothing is left", || server.gateway.unread.taken() == 0).await;
}

#[tokio::test]
async fn a_slow_reader_over_http1_is_given_up() {
    let (server, spout) = server(false, Limits { body_timeout_ms: 400, ..Limits::default() }).await;
    let mut client = Client::new(server.at).await;
    client.send(&request(STREAM, "", br#"{"prompt":[1000000,1000]}"#)).await;
    until("it is given up", || spout.cancelled() == 1).await;
    until("nothing is left", || server.gateway.unread.taken() == 0).await;
}

#[tokio::test]
async fn a_server_that_stops_finishes_its_streams() {
    let (server, spout) = server(true, Limits::default()).await;
    let mut client = Client::new(server.at).await;
    client.send(&request(STREAM, "", br#"{"prompt":[9]}"#)).await;
    until("it runs", || spout.runs() == 1).await;
    spout.say(1);
    client.reply().await.unwrap();
    server.stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    spout.say(1);
    spout.end();
    let (text, _) = unchunked(&client.until(b"0\r\n\r\n").await);
    assert_eq!(text, [event("0"), event("1")].concat());
    server.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_stream_with_an_event() {
    let (server, spout) = server(true, Limits::default()).await;
    let mut client = Client::over(server.line());
    client.send(&request(STREAM, "x-request-timeout-ms: 100\r\n", br#"{"prompt":[9]}"#)).await;
    until("it runs", || spout.runs() == 1).await;
    spout.say(1);
    client.reply().await.unwrap();
    let (text, _) = unchunked(&client.until(b"0\r\n\r\n").await);
    assert!(
        text.starts_with(&event("0"))
            && text.contains("data: {\"error\":\"the deadline of 100.0 ms passed after 1 part of"),
        "{text}"
    );
    assert_eq!(spout.cancelled(), 1);
}

/// All its parts and the end are there at once, and nobody may hold them: it counts as what its reader is told.
#[tokio::test]
async fn a_stream_whose_last_events_have_no_room_is_no_success() {
    let (server, _) = server(false, Limits { unread_bytes: 100_000, ..Limits::default() }).await;
    let others = server.gateway.unread.take(95_000).unwrap();
    let mut client = Client::new(server.at).await;
    client.send(&request(STREAM, "", br#"{"prompt":[100,30]}"#)).await;
    client.reply().await.unwrap();
    let (text, _) = unchunked(&client.until(b"0\r\n\r\n").await);
    assert!(text.starts_with("data: {\"error\":") && text.contains("(limit unread_bytes)"), "{text}");
    drop(others);
    let row = &server.gateway.statistics(Some("g"), None).unwrap()[0];
    assert_eq!((row.success.count, row.fail.count), (0, 1));
}
