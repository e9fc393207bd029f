//! `generate` and `generate_stream`.

use super::bench::{Client, Reply, Server, ask, request, start};
use crate::base::fault::{Fault, Kind};
use crate::gateway::Limits;
use crate::gateway::tests::spout::Spout;
use std::sync::Arc;
use std::time::Duration;

const WHOLE: &str = "POST /v2/models/g/generate";
pub(super) const STREAM: &str = "POST /v2/models/g/generate_stream";
pub(super) const HEAD: &str = r#""model_name":"g","model_version":"5","token":"#;

pub(super) async fn server(holds: bool, limits: Limits) -> (Server, Arc<Spout>) {
    let server = start(limits, false).await;
    let spout = Spout::up(&server.gateway, holds);
    (server, spout)
}

pub(super) fn event(tokens: &str) -> String {
    format!("data: {{{HEAD}{tokens}}}\n\n")
}

/// What came of a chunked body, without its lengths.
pub(super) fn unchunked(mut body: &[u8]) -> (String, usize) {
    let (mut text, mut chunks) = (String::new(), 0);
    while !body.is_empty() {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let len = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        text.push_str(std::str::from_utf8(&body[end + 2..end + 2 + len]).unwrap());
        body = &body[end + 4 + len..];
        chunks += usize::from(len > 0);
    }
    (text, chunks)
}

/// Over HTTP/1.1, to the last chunk.
async fn events(server: &Server, body: &str) -> (Reply, String) {
    let mut client = Client::new(server.at).await;
    client.send(&request(STREAM, "", body.as_bytes())).await;
    let head = client.reply().await.unwrap();
    let body = client.until(b"0\r\n\r\n").await;
    (head, unchunked(&body).0)
}

#[tokio::test]
async fn each_part_is_an_event() {
    let (server, _) = server(false, Limits::default()).await;
    let (head, body) = events(&server, r#"{"prompt":[3,1],"id":"a"}"#).await;
    assert_eq!((head.status(), head.header("content-type")), (200, Some("text/event-stream; charset=utf-8")));
    assert_eq!((head.header("x-headrace-version"), head.header("content-length")), (Some("5"), None));
    let want: String = (0..3).map(|token| format!("data: {{\"id\":\"a\",{HEAD}{token}}}\n\n")).collect();
    assert_eq!(body, want);
    assert_eq!(events(&server, r#"{"prompt":[1,2]}"#).await.1, event("[0,0]"));
    let (head, body) = events(&server, r#"{"prompt":[0]}"#).await;
    assert_eq!((head.status(), body.as_str()), (200, ""), "none at all");
    let page = server.gateway.metrics();
    let labels = "{model=\"g\",version=\"5\"}";
    assert!(page.contains(&format!("headrace_stream_parts_total{labels} 4\n")), "{page}");
    assert!(page.contains(&format!("headrace_first_part_seconds_count{labels} 2\n")));
    assert!(page.contains(&format!("nv_inference_request_success{labels} 3\n")));
}

#[tokio::test]
async fn a_part_goes_out_when_it_comes() {
    let (server, spout) = server(true, Limits::default()).await;
    let mut client = Client::new(server.at).await;
    client.send(&request(STREAM, "", br#"{"prompt":[9]}"#)).await;
    until("it runs", || spout.runs() == 1).await;
    spout.say(1);
    client.reply().await.unwrap();
    assert_eq!(unchunked(&client.until(b"}\n\n\r\n").await).0, event("0"));
    spout.say(3);
    let (text, chunks) = unchunked(&client.until(b"3}\n\n\r\n").await);
    assert!(text.ends_with(&event("3")) && chunks <= 3, "{chunks} chunks of {text}");
    spout.end();
    assert!(client.until(b"0\r\n\r\n").await.ends_with(b"0\r\n\r\n"));
    client.send(&request(WHOLE, "", br#"{"prompt":[9]}"#)).await;
    until("the connection serves on", || spout.runs() == 1).await;
    spout.end();
    assert_eq!(client.reply().await.unwrap().text(), format!("{{{HEAD}[]}}"));
}

pub(super) async fn until(what: &str, mut happens: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if happens() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn what_fails_later_is_an_event_and_what_fails_first_a_status() {
    let (server, spout) = server(true, Limits::default()).await;
    for (parts, kind, status) in
        [(0, Kind::ModelFailed, 500), (2, Kind::ModelFailed, 200), (1, Kind::Invalid, 200)]
    {
        let mut client = Client::new(server.at).await;
        client.send(&request(STREAM, "", br#"{"prompt":[9]}"#)).await;
        until("it runs", || spout.runs() == 1).await;
        spout.say(parts);
        spout.end_with(Err(Fault::new(kind, "as \"told\"")));
        let head = client.reply().await.unwrap();
        assert_eq!(head.status(), status);
        if status == 200 {
            let (text, _) = unchunked(&client.until(b"0\r\n\r\n").await);
            assert_eq!(text.matches("\"token\":").count(), parts);
            let last = text.trim_end().rsplit("\n\n").next().unwrap();
            assert!(last.starts_with(r#"data: {"error":"as \"told\""#), "{last}");
            assert_eq!(last.contains("[error id e-"), kind == Kind::ModelFailed);
        } else {
            assert!(head.text().starts_with(r#"{"error":"as \"told\""#));
        }
    }
    let page = server.gateway.metrics();
    assert!(
        page.contains("headrace_request_failures_total{model=\"g\",version=\"5\",kind=\"model_failed\"} 2\n")
    );
    assert!(page.contains("nv_inference_request_success{model=\"g\",version=\"5\"} 0\n"));
}

#[tokio::test]
async fn generate_joins_the_parts() {
    let (server, _) = server(false, Limits::default()).await;
    for (prompt, want) in
        [("[1]", "0"), ("[1,3]", "[0,0,0]"), ("[3]", "[0,1,2]"), ("[2,2]", "[0,0,1,1]"), ("0", "[]")]
    {
        let reply = ask(server.at, WHOLE, "", format!(r#"{{"prompt":{prompt}}}"#).as_bytes()).await;
        assert_eq!((reply.status(), reply.text()), (200, format!("{{{HEAD}{want}}}")), "{prompt}");
    }
    assert_eq!(server.gateway.statistics(Some("g"), None).unwrap()[0].success.count, 5);
}

/// No other time would help, and none is spoken of.
#[tokio::test]
async fn a_join_that_nothing_may_hold_is_refused_with_the_way_around() {
    let limits = Limits { connection_bytes: 20_000, ..Limits::default() };
    let (server, spout) = server(true, limits).await;
    let mut client = Client::new(server.at).await;
    client.send(&request(WHOLE, "", br#"{"prompt":[9,1000]}"#)).await;
    until("it runs", || spout.runs() == 1).await;
    for unread in [0, 16_000, 0] {
        spout.say(1);
        until("it is taken, or too much", || server.gateway.unread.taken() == unread).await;
    }
    let reply = client.reply().await.unwrap();
    assert_eq!(reply.status(), 501);
    let note = "the parts of the answer come to 24000 bytes and more, and no more may be joined (limits connection_bytes \
                and unread_bytes): ask with /generate_stream";
    assert!(reply.text().contains(note), "{}", reply.text());
    until("it is taken back", || spout.cancelled() == 1).await;
}

#[tokio::test]
async fn versions_that_answer_once_generate_too() {
    let (server, _) = server(false, Limits::default()).await;
    let reply = ask(
        server.at,
        "POST /v2/models/m/versions/1/generate",
        "x-headrace-timing: 1\r\n",
        br#"{"x":[1,2.5],"id":"q"}"#,
    )
    .await;
    let want = r#"{"id":"q","model_name":"m","model_version":"1","y":[1.0,2.5]}"#;
    assert_eq!((reply.status(), reply.text()), (200, want.to_owned()));
    assert!(reply.header("x-headrace-batch-rows").is_some());
    let mut client = Client::new(server.at).await;
    client.send(&request("POST /v2/models/s/generate_stream", "", r#"{"x":"ü\n"}"#.as_bytes())).await;
    assert_eq!(client.reply().await.unwrap().status(), 200);
    let (text, _) = unchunked(&client.until(b"0\r\n\r\n").await);
    assert_eq!(text, "data: {\"model_name\":\"s\",\"model_version\":\"2\",\"y\":\"ü\\n\"}\n\n");
    let counted = |model| server.gateway.statistics(Some(model), None).unwrap()[0].success.count;
    assert_eq!((counted("m"), counted("s")), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let (server, _) = server(false, Limits::default()).await;
    let infer = br#"{"inputs":[{"name":"prompt","shape":[1,1],"datatype":"INT64","data":[1]}]}"#;
    let cases: [(&str, &str, &[u8], u16, &str); 7] = [
        ("POST /v2/models/g/infer", "", infer, 400, "/generate_stream over HTTP"),
        (WHOLE, "", b"{", 400, "failed to parse"),
        (WHOLE, "", br#"{"n":1}"#, 400, "missing required"),
        (STREAM, "", br#"{"prompt":[1],"x":[2]}"#, 400, "'x' is no input of model 'g', which has 'prompt'"),
        (WHOLE, "content-type: image/jpeg\r\n", b"x", 400, "one JSON object"),
        ("POST /v2/models/none/generate_stream", "", b"{}", 404, "unknown model"),
        ("GET /v2/models/g/generate", "", b"", 405, "Method Not Allowed"),
    ];
    for (line, headers, body, status, note) in cases {
        let reply = ask(server.at, line, headers, body).await;
        assert_eq!(reply.status(), status, "{line}: {}", reply.text());
        assert!(reply.text().contains(note), "{line}: {}", reply.text());
    }
    let fails = server.gateway.statistics(Some("g"), None).unwrap()[0].fail.count;
    assert_eq!((fails, server.gateway.meter().refusals()), (2, 4), "each is counted once");
}
