//! How connections and requests end: slow heads, idle connections, lost clients, a server that stops.

use super::bench::{Client, Server, ask, request, start};
use crate::gateway::Limits;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const INFER: &str = "POST /v2/models/m/infer";
const GOOD: &[u8] = br#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#;

#[tokio::test(start_paused = true)]
async fn slow_and_idle_connections_are_closed() {
    let limits = Limits { header_timeout_ms: 30, idle_timeout_ms: 60, ..Limits::default() };
    let server = start(limits.clone(), false).await;
    for begun in ["", "G", "GET /v2 HTTP/1.1\r\nhost:"] {
        let mut client = Client::over(server.line());
        client.send(begun.as_bytes()).await;
        assert!(client.reply().await.is_none(), "after {begun:?}");
    }
    let mut client = Client::over(server.line());
    client.send(&request("GET /v2/health/live", "", b"")).await;
    assert_eq!(client.reply().await.unwrap().status(), 200);
    assert!(client.reply().await.is_none(), "idle after an answer");
    // A part of the next head that stays is a slow head, not idleness.
    let server = start(Limits { idle_timeout_ms: 600_000, ..limits }, false).await;
    let mut client = Client::over(server.line());
    client.send(&request("GET /v2/health/live", "", b"")).await;
    assert_eq!(client.reply().await.unwrap().status(), 200);
    client.send(b"GET /v2 HT").await;
    assert!(client.reply().await.is_none());
    for begun in ["P", "PR"] {
        let mut client = Client::over(server.line());
        client.send(begun.as_bytes()).await;
        assert!(client.reply().await.is_none(), "after {begun:?}");
    }
}

/// An answer leaves at once, whatever came after its request: nothing, the next one's begin, or what is none.
#[tokio::test]
async fn an_answer_does_not_wait_for_what_follows_its_request() {
    let server = start(Limits::default(), false).await;
    let whole = request(INFER, "", GOOD);
    for (more, end) in [
        (&b"\r\n"[..], None),
        (b"POST /v2/models", None),
        (&whole[..whole.len() - 3], None),
        (b"HELLO\r\n\r\n", Some(400)),
        (b"GET /v2 HTTP/9.9\r\n\r\n", Some(400)),
    ] {
        let mut client = Client::new(server.at).await;
        client.send(&[&whole, more].concat()).await;
        assert_eq!(client.reply().await.unwrap().status(), 200, "{more:?}");
        if let Some(status) = end {
            assert_eq!(client.reply().await.unwrap().status(), status, "{more:?}");
            assert!(client.reply().await.is_none(), "{more:?}");
        }
    }
    for more in [&b"\r\n"[..], &whole] {
        let mut client = Client::new(server.at).await;
        client.send(&[&request(INFER, "connection: close\r\n", GOOD), more].concat()).await;
        assert_eq!(client.reply().await.unwrap().status(), 200, "{more:?}");
        assert!(client.reply().await.is_none(), "{more:?}");
    }
}

/// It lies where the request before it came, and no byte more does.
#[tokio::test(start_paused = true)]
async fn a_part_of_a_head_that_came_with_a_request_has_the_time_of_a_head() {
    let limits = Limits { header_timeout_ms: 30, idle_timeout_ms: 600_000, ..Limits::default() };
    let server = start(limits, false).await;
    let whole = request("GET /v2/health/live", "", b"");
    for more in [&b"G"[..], b"GET /v2 HT", &whole[..whole.len() - 1]] {
        let mut client = Client::over(server.line());
        client.send(&[&whole, more].concat()).await;
        assert_eq!(client.reply().await.unwrap().status(), 200);
        assert!(client.reply().await.is_none(), "after {more:?}");
    }
}

/// What is taken apart after a while is put together again, as often as it takes.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_goes_on_where_it_was() {
    let limits = Limits { header_timeout_ms: 20, idle_timeout_ms: 600, ..Limits::default() };
    let server = start(limits, false).await;
    let mut client = Client::over(server.line());
    for _ in 0..4 {
        client.send(&request(INFER, "", GOOD)).await;
        assert_eq!(client.reply().await.unwrap().status(), 200);
        sleep(Duration::from_millis(590)).await;
    }
    assert!(timeout(Duration::from_millis(5), client.reply()).await.is_err(), "it is open still");
    assert!(client.reply().await.is_none(), "until it was idle for long enough");
}

#[tokio::test]
async fn an_idle_connection_hears_of_the_end() {
    let limits = Limits { header_timeout_ms: 20, ..Limits::default() };
    let server = start(limits, false).await;
    let mut client = Client::new(server.at).await;
    client.send(&request(INFER, "", GOOD)).await;
    assert_eq!(client.reply().await.unwrap().status(), 200);
    sleep(Duration::from_millis(100)).await; // it is taken apart by then
    server.stop.send(true).unwrap();
    assert!(client.reply().await.is_none());
    server.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_told_so() {
    let server = start(Limits { body_timeout_ms: 20, ..Limits::default() }, false).await;
    let mut client = Client::over(server.line());
    let whole = request(INFER, "", GOOD);
    client.send(&whole[..whole.len() - 1]).await;
    let reply = client.reply().await.unwrap();
    assert_eq!(reply.status(), 408);
    assert!(reply.text().contains("no part of the request's body came for 20 ms"), "{}", reply.text());
}

#[tokio::test]
async fn who_hangs_up_takes_its_call_along() {
    let server = start(Limits::default(), true).await;
    let mut client = Client::new(server.at).await;
    client.send(&request(INFER, "", GOOD)).await;
    server.echo.got.acquire().await.unwrap().forget();
    drop(client);
    server.echo.cancelled.acquire().await.unwrap().forget();
}

/// The count of who went away before a version was known comes to `wanted`.
async fn until_left(server: &Server, wanted: u64) {
    let counted = format!("headrace_requests_refused_total{{kind=\"cancelled\"}} {wanted}\n");
    let waited = async {
        while !server.gateway.meter().render(&[], &[]).contains(&counted) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(10), waited).await;
    assert!(waited.is_ok(), "{}", server.gateway.meter().render(&[], &[]));
    assert_eq!(server.gateway.meter().refusals(), wanted);
}

#[tokio::test]
async fn who_hangs_up_within_a_body_is_counted_once() {
    let server = start(Limits::default(), false).await;
    let whole = request(INFER, "", GOOD);
    for (sent, left) in [(whole.len() - 1, 1), (whole.len() - GOOD.len(), 2)] {
        let mut client = Client::new(server.at).await;
        client.send(&whole[..sent]).await;
        drop(client);
        until_left(&server, left).await;
    }
}

/// All of it was there, and its caller gone, before anybody looked.
#[tokio::test]
async fn who_hangs_up_before_it_is_heard_is_counted_once() {
    let server = start(Limits::default(), true).await;
    for left in 1..4 {
        let mut client = Client::new(server.at).await;
        client.send(&request("GET /v2/health/live", "", b"")).await;
        assert_eq!(client.reply().await.unwrap().status(), 200, "the connection is read from");
        client.send(&request(INFER, "", GOOD)).await; // without a pause in which the server could run
        drop(client);
        until_left(&server, left).await;
    }
    assert_eq!(server.echo.got.available_permits(), 0);
}

/// A long body is parsed on another thread, which goes on without its caller.
#[tokio::test]
async fn who_hangs_up_while_its_body_is_parsed_is_counted_once() {
    let server = start(Limits::default(), true).await;
    let mut client = Client::new(server.at).await;
    client.send(&request(INFER, "", &[&vec![b' '; 16 << 20], GOOD].concat())).await;
    drop(client);
    until_left(&server, 1).await;
}

/// Over HTTP/2 a request ends by itself: the connection and its other requests stay.
#[tokio::test]
async fn who_resets_a_request_takes_that_call_along_and_no_other() {
    let server = start(Limits::default(), true).await;
    let socket = tokio::net::TcpStream::connect(server.at).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let mut send = || {
        let ask = http::Request::post("http://x/v2/models/m/infer").body(()).unwrap();
        let (response, mut stream) = client.send_request(ask, false).unwrap();
        stream.send_data(GOOD.into(), true).unwrap();
        (response, stream)
    };
    let (_kept, _open) = send();
    server.echo.got.acquire().await.unwrap().forget();
    let (_gone, mut reset) = send();
    server.echo.got.acquire().await.unwrap().forget();
    reset.send_reset(h2::Reason::CANCEL);
    server.echo.cancelled.acquire().await.unwrap().forget();
    assert_eq!(server.echo.cancelled.available_permits(), 0, "the other call goes on");
    assert!(!driver.is_finished());
    driver.abort();
    server.echo.cancelled.acquire().await.unwrap().forget();
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let server = start(Limits::default(), true).await;
    let reply = ask(server.at, INFER, "x-request-timeout-ms: 20\r\n", GOOD).await;
    assert_eq!(reply.status(), 504, "{}", reply.text());
    let body = [&br#"{"parameters":{"timeout":20000},"#[..], &GOOD[1..]].concat();
    let reply = ask(server.at, INFER, "", &body).await;
    assert_eq!(reply.status(), 504, "{}", reply.text());
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let limits = Limits { in_flight_bytes: GOOD.len() + 10, ..Limits::default() };
    let server = start(limits, true).await;
    let mut first = Client::new(server.at).await;
    first.send(&request(INFER, "", GOOD)).await;
    server.echo.got.acquire().await.unwrap().forget();
    let second = ask(server.at, INFER, "", GOOD).await;
    assert_eq!((second.status(), second.header("retry-after")), (429, Some("1")), "{}", second.text());
    server.echo.release();
    assert_eq!(first.reply().await.unwrap().status(), 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_learn_why() {
    let server = start(Limits { connections: 1, ..Limits::default() }, true).await;
    let mut first = Client::new(server.at).await;
    first.send(&request(INFER, "", GOOD)).await;
    server.echo.got.acquire().await.unwrap().forget();
    for _ in 0..3 {
        let mut second = Client::new(server.at).await;
        let reply = second.reply().await.unwrap();
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (
                503,
                r#"{"error":"1 connections are open and no more may be (limit connections): try again later"}"#
            )
        );
    }
    server.echo.release();
    assert_eq!(first.reply().await.unwrap().status(), 200);
}

/// Whatever they have said before, and whichever protocol they speak.
#[tokio::test]
async fn who_asks_nothing_makes_room_when_all_places_are_taken() {
    const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let live = request("GET /v2/health/live", "", b"");
    let server = start(Limits { connections: 4, ..Limits::default() }, false).await;
    let silent = Client::new(server.at).await;
    let mut half = Client::new(server.at).await;
    half.send(b"GET /v2").await;
    let mut other = Client::new(server.at).await;
    other.send(HTTP2).await;
    let mut idle = Client::new(server.at).await;
    idle.send(&live).await;
    assert_eq!(idle.reply().await.unwrap().status(), 200);
    let mut after = Vec::new();
    for _ in 0..4 {
        let mut next = Client::new(server.at).await;
        next.send(&live).await;
        assert_eq!(next.reply().await.unwrap().status(), 200);
        after.push(next);
    }
    for mut gone in [silent, half, other, idle] {
        assert!(gone.reply().await.is_none());
    }
}

#[tokio::test]
async fn stopping_answers_what_was_taken_and_closes_what_is_idle() {
    let server = start(Limits::default(), true).await;
    let mut idle = Client::new(server.at).await;
    idle.send(&request("GET /v2/health/live", "", b"")).await;
    assert_eq!(idle.reply().await.unwrap().status(), 200);
    let mut silent = Client::new(server.at).await;
    let mut busy = Client::new(server.at).await;
    busy.send(&request(INFER, "", GOOD)).await;
    server.echo.got.acquire().await.unwrap().forget();
    server.stop.send(true).unwrap();
    assert!(idle.reply().await.is_none() && silent.reply().await.is_none());
    assert!(!server.task.is_finished());
    server.echo.release();
    let reply = busy.reply().await.unwrap();
    assert_eq!((reply.status(), reply.header("connection")), (200, Some("close")));
    server.task.await.unwrap();
    assert!(tokio::net::TcpStream::connect(server.at).await.is_err());
}
