//! Questions and the answers they get.

use super::bench::{Client, ask, request, start, start_labelled};
use crate::gateway::Limits;
use crate::wire::compress::{self, Coding};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

const INFER: &str = "POST /v2/models/m/infer";
const GOOD: &str = r#"{"id":"7","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2.5]}]}"#;
const ANSWER: &str = concat!(
    r#"{"id":"7","model_name":"m","model_version":"1","outputs":"#,
    r#"[{"name":"y","datatype":"FP32","shape":[1,2],"data":[1.0,2.5]}]}"#
);

#[tokio::test]
async fn every_question_has_its_answer() {
    let server = start(Limits { body_bytes: 1000, ..Limits::default() }, false).await;
    let long = format!("{GOOD}{}", " ".repeat(1000));
    let top = GOOD.replace("}]}", r#"}],"outputs":[{"name":"y","parameters":{"classification":1}}]}"#);
    let sequence = GOOD.replace(r#""id""#, r#""parameters":{"sequence_end":true},"id""#);
    let shared = GOOD
        .replace("}]}", r#","parameters":{"shared_memory_region":"r","shared_memory_byte_size":8}}]}"#)
        .replace(r#","data":[1,2.5]"#, "");
    let table: &[(&str, &str, &str, u16, &str)] = &[
        ("GET /v2/health/live", "", "", 200, r#"{"live":true}"#),
        ("GET /v2/health/ready", "", "", 200, r#"{"ready":true}"#),
        ("GET /v2", "", "", 200, r#"{"name":"headrace","version":""#),
        ("GET /v2/", "", "", 404, r#"{"error":"Not Found"}"#),
        ("GET /v2/models", "", "", 200, r#"{"models":["m","s"]}"#),
        ("GET /v2/models/m", "", "", 200, r#"[{"name":"x","datatype":"FP32","shape":[-1,2]}]"#),
        ("GET /v2/models/s/versions/2", "", "", 200, r#""versions":["2"]"#),
        ("GET /v2/models/m/ready", "", "", 200, r#"{"name":"m","ready":true}"#),
        ("GET /v2/models/z/ready", "", "", 404, "Request for unknown model: 'z' is not found"),
        ("GET /v2/models/m/versions/9/ready", "", "", 404, "'m' version 9 is not found"),
        ("GET /v2/models/m/config", "", "", 200, r#""max_batch_size":8"#),
        ("GET /v2/models/s/config", "", "", 200, r#""data_type":"TYPE_STRING""#),
        ("GET /v2/models/m/stats", "", "", 200, r#""cache_miss":{"count":0,"ns":0}"#),
        ("GET /v2/models/stats", "", "", 200, r#"{"model_stats":[{"name":"#),
        ("GET /v2/models/z/stats", "", "", 400, "requested model 'z' is not available"),
        ("POST /v2/repository/index", "", "", 200, r#"[{"name":"m","version":"1","state":"READY"}"#),
        ("POST /v2/repository/index", "", r#"{"ready":true}"#, 200, r#""state":"READY""#),
        ("POST /v2/repository/index", "", "{", 400, "failed to parse the request JSON buffer"),
        ("POST /v2/repository/models/m/load", "", "{}", 503, "explicit model load / unload is not allowed"),
        ("GET /v2/cudasharedmemory/status", "", "", 200, "[]"),
        ("POST /v2/systemsharedmemory/unregister", "", "", 200, ""),
        (
            "POST /v2/systemsharedmemory/region/r/register",
            "",
            r#"{"key":"/k","byte_size":1}"#,
            501,
            "not switched on",
        ),
        ("POST /v2/cudasharedmemory/region/r/register", "", "{}", 400, r#"missing field `raw_handle`"#),
        (
            "POST /v2/cudasharedmemory/region/r/register",
            "",
            r#"{"raw_handle":{"b64":"*"},"device_id":0,"byte_size":1}"#,
            400,
            "'raw_handle' is not in base64",
        ),
        (
            "POST /v2/cudasharedmemory/region/r/register",
            "",
            r#"{"raw_handle":{"b64":"AAAA"},"device_id":0,"byte_size":1}"#,
            501,
            "not switched on",
        ),
        (
            "GET /v2/cudasharedmemory/region/r/status",
            "",
            "",
            404,
            "Unable to find cuda shared memory region: 'r'",
        ),
        (
            "GET /v2/systemsharedmemory/region/r/status",
            "",
            "",
            404,
            "Unable to find system shared memory region: 'r'",
        ),
        ("POST /headrace/v1/feedback", "", "{}", 501, "this server keeps no labels"),
        ("GET /headrace/v1/feedback", "", "", 405, "Method Not Allowed"),
        ("POST /headrace/v1/feedback/", "", "{}", 404, "Not Found"),
        ("DELETE /v2/models/m", "", "", 405, r#"{"error":"Method Not Allowed"}"#),
        ("GET /v2/models/m/infer", "", "", 405, "Method Not Allowed"),
        (INFER, "", GOOD, 200, ANSWER),
        ("POST /v2/models/%6d/versions/1/infer?a=b", "", GOOD, 200, ANSWER),
        (INFER, "content-type: application/x-www-form-urlencoded\r\n", GOOD, 200, ANSWER),
        (INFER, "content-type: multipart/form-data; boundary=a\r\n", GOOD, 400, "--data-binary"),
        (INFER, "content-encoding: br\r\n", GOOD, 501, "Unsupported compression type"),
        (INFER, "content-encoding: gzip\r\n", GOOD, 400, "the compressed body is broken"),
        (INFER, "x-request-timeout-ms: soon\r\n", GOOD, 400, "whole number of milliseconds"),
        (INFER, "inference-header-content-length: 999\r\n", GOOD, 400, "should be in range (0, "),
        (
            INFER,
            "",
            "{",
            400,
            "failed to parse the request JSON buffer: Missing a name for object member. at 1",
        ),
        (INFER, "", "{}", 400, "attempt to access non-existing object member 'inputs'"),
        (INFER, "", r#"{"inputs":[]}"#, 400, "expected 1 inputs but got 0"),
        (INFER, "", &sequence, 200, r#""id":"#),
        (INFER, "", &shared, 501, "shared memory regions of clients are not switched on"),
        (INFER, "", &top, 501, "classification of output 'y' is not offered"),
        (INFER, "", &long, 400, "exceeds the maximum allowed value of 1000 bytes"),
        ("POST /v2/models/z/infer", "", GOOD, 404, "Request for unknown model: 'z' is not found"),
        ("POST /v2/models/s/infer", "content-type: image/jpeg\r\n", "hello", 200, r#""data":["hello"]"#),
        ("POST /v2/models/m/generate", "", "{}", 400, "expected 1 inputs but got 0"),
    ];
    for (line, headers, body, status, want) in table {
        let reply = ask(server.at, line, headers, body.as_bytes()).await;
        assert_eq!(reply.status(), *status, "{line} {headers}: {}", reply.text());
        assert!(reply.text().contains(want), "{line} {headers}: {}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/json"), "{line}");
    }
    let reply = ask(server.at, INFER, "", GOOD.as_bytes()).await;
    assert_eq!((reply.text().as_str(), reply.header("x-headrace-version")), (ANSWER, Some("1")));
}

#[tokio::test]
async fn an_answer_has_the_id_that_labels_are_sent_with() {
    let server = start_labelled().await;
    let reply = ask(server.at, INFER, "", GOOD.as_bytes()).await;
    let id = URL_SAFE_NO_PAD.decode(reply.header("x-headrace-prediction-id").unwrap()).unwrap();
    assert_eq!(id[26..35], [b"m".as_slice(), &1_u32.to_le_bytes(), &2.5_f32.to_le_bytes()].concat());
    let again = ask(server.at, INFER, "", GOOD.as_bytes()).await;
    let parameter = reply.header("x-headrace-prediction-id").unwrap();
    let parameter = format!(r#""parameters":{{"headrace_prediction_id":"{parameter}"}}"#);
    assert!(reply.text().contains(&parameter), "{}", reply.text());
    assert_ne!(reply.header("x-headrace-prediction-id"), again.header("x-headrace-prediction-id"));
    let raw = "content-type: image/jpeg\r\n";
    for (line, headers, body) in [
        (INFER, "", "{}"),
        ("POST /v2/models/s/infer", raw, "of BYTES there is no largest"),
        ("POST /v2/models/m/generate", "", r#"{"x":[1,2]}"#),
    ] {
        let reply = ask(server.at, line, headers, body.as_bytes()).await;
        assert_eq!(reply.header("x-headrace-prediction-id"), None, "{line}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_counted() {
    let server = start(Limits::default(), false).await;
    for (headers, body) in [("", "{"), ("x-request-timeout-ms: x\r\n", GOOD)] {
        assert_eq!(ask(server.at, INFER, headers, body.as_bytes()).await.status(), 400);
    }
    let page = server.gateway.metrics();
    let line = page
        .lines()
        .find(|line| line.starts_with("headrace_requests_refused_total") && line.contains("invalid"));
    assert!(line.is_some_and(|line| line.ends_with(" 2")), "{line:?}");
}

#[tokio::test]
async fn tensors_go_as_bytes_both_ways() {
    let server = start(Limits::default(), false).await;
    let json = r#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}"#;
    let data = [f32::NAN.to_le_bytes(), 2_f32.to_le_bytes()].concat();
    let length = format!("inference-header-content-length: {}\r\n", json.len());
    let reply = ask(server.at, INFER, &length, &[json.as_bytes(), &data].concat()).await;
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    let at: usize = reply.header("inference-header-content-length").unwrap().parse().unwrap();
    assert!(
        reply.text().contains(r#""shape":[1,2],"parameters":{"binary_data_size":8}}]}"#),
        "{}",
        reply.text()
    );
    assert_eq!(reply.body[at..], data);
    let raw = ask(server.at, INFER, "inference-header-content-length: 0\r\n", &data).await;
    assert!(raw.body.ends_with(&data), "a raw request is answered in bytes");
    let json = ask(server.at, INFER, "content-type: application/octet-stream\r\n", &data).await;
    assert!(json.status() == 200 && json.text().contains(r#""data":[NaN,2.0]"#), "{}", json.text());
}

/// What the model made is no success for a caller who cannot have it.
#[tokio::test]
async fn an_answer_that_cannot_be_written_is_counted_as_what_its_caller_got() {
    let server = start(Limits::default(), false).await;
    let raw = "content-type: application/octet-stream\r\n";
    let counts = || {
        let rows = server.gateway.statistics(Some("s"), None).unwrap();
        (rows[0].success.count, rows[0].fail.count)
    };
    let good = ask(server.at, "POST /v2/models/s/infer", raw, b"text").await;
    assert_eq!((good.status(), counts()), (200, (1, 0)), "{}", good.text());
    let bad = ask(server.at, "POST /v2/models/s/infer", raw, b"\xff").await;
    assert!(bad.status() == 400 && bad.text().contains("no UTF-8 text"), "{}", bad.text());
    assert_eq!(counts(), (1, 1));
}

#[tokio::test]
async fn bodies_are_compressed_both_ways() {
    let server = start(Limits::default(), false).await;
    let text = "long and repetitive ".repeat(100);
    let body = format!(r#"{{"inputs":[{{"name":"x","shape":[1,1],"datatype":"BYTES","data":["{text}"]}}]}}"#);
    for (name, coding) in [("gzip", Coding::Gzip), ("deflate", Coding::Deflate)] {
        let coded = compress::deflate([body.as_bytes()].into_iter(), coding).unwrap();
        let headers = format!("content-encoding: {name}\r\naccept-encoding: br, {name}\r\n");
        let reply = ask(server.at, "POST /v2/models/s/infer", &headers, &coded).await;
        assert_eq!(reply.header("content-encoding"), Some(name), "{}", reply.text());
        let mut plain = Vec::new();
        let inflated = compress::inflate(&reply.body, 1 << 20, |piece| {
            plain.extend_from_slice(piece);
            Ok(())
        });
        inflated.unwrap();
        assert!(String::from_utf8(plain).unwrap().contains(&text));
    }
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_in_order() {
    let server = start(Limits::default(), false).await;
    let mut client = Client::new(server.at).await;
    let with = |id: &str| request(INFER, "", GOOD.replace("\"7\"", id).as_bytes());
    let three = [with("\"a\""), request("GET /v2/models/z", "", b""), with("\"c\"")].concat();
    client.send(&three).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(client.reply().await.unwrap().text());
    }
    assert!(seen[0].contains(r#""id":"a""#) && seen[1].contains("'z'") && seen[2].contains(r#""id":"c""#));
}

#[tokio::test]
async fn chunks_and_continuations_are_read() {
    let server = start(Limits { body_bytes: 100_000, ..Limits::default() }, false).await;
    let head = format!("{INFER} HTTP/1.1\r\nhost: x\r\n");
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let (start, end) = GOOD.split_at(20);
    let blank = " ".repeat(70_000);
    let mut client = Client::new(server.at).await;
    let body = [chunk(start), chunk(&blank), chunk(end), "0\r\n\r\n".to_owned()].concat();
    client.send(format!("{head}transfer-encoding: chunked\r\n\r\n{}", body).as_bytes()).await;
    let reply = client.reply().await.unwrap();
    assert!(reply.text().contains("failed to parse") || reply.text() == ANSWER, "{}", reply.text());
    assert_eq!(reply.text(), ANSWER);
    let expect = format!("{head}expect: 100-continue\r\ncontent-length: {}\r\n\r\n", GOOD.len());
    client.send(expect.as_bytes()).await;
    assert_eq!(client.reply().await.unwrap().status(), 100);
    client.send(GOOD.as_bytes()).await;
    assert_eq!(client.reply().await.unwrap().text(), ANSWER);
    let too_long = [chunk(&blank), chunk(&blank)].concat();
    client.send(format!("{head}transfer-encoding: chunked\r\n\r\n{too_long}").as_bytes()).await;
    let reply = client.reply().await.unwrap();
    assert_eq!(reply.status(), 400);
    assert!(reply.text().contains("maximum allowed value of 100000 bytes"), "{}", reply.text());
}

#[tokio::test]
async fn http2_is_spoken_on_the_same_port() {
    let server = start(Limits::default(), false).await;
    let socket = tokio::net::TcpStream::connect(server.at).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = http::Request::post("http://x/v2/models/m/infer").body(()).unwrap();
    let (response, mut stream) = client.send_request(request, false).unwrap();
    stream.send_data(GOOD.into(), true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        text.extend_from_slice(&data.unwrap());
    }
    assert_eq!(String::from_utf8(text).unwrap(), ANSWER);
    drop((client, body, stream));
    driver.abort();
}
