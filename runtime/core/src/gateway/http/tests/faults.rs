//! What a fault is to who reads it: its status, its error id, its length.

use super::bench::{Client, ask, request, start};
use crate::base::{fault::Kind, panics};
use crate::gateway::{Limits, http::status::status};
use std::sync::atomic::Ordering::Relaxed;

const INFER: &str = "POST /v2/models/m/infer";
const GOOD: &[u8] = br#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#;

fn has_id(text: &str) -> bool {
    text.ends_with("]\"}") && text.contains(" [error id e-")
}

#[tokio::test]
async fn what_the_server_is_to_blame_for_has_an_id() {
    for kind in Kind::ALL {
        let server = start(Limits::default(), true).await;
        let mut client = Client::new(server.at).await;
        client.send(&request(INFER, "", GOOD)).await;
        server.echo.got.acquire().await.unwrap().forget();
        server.echo.fail(*kind);
        let reply = client.reply().await.unwrap();
        assert_eq!(reply.status(), status(*kind).as_u16());
        let ours = status(*kind).is_server_error() && *kind != Kind::Unsupported;
        assert_eq!(has_id(&reply.text()), ours, "{kind:?}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_the_front_itself_finds_has_one_too() {
    let server = start(Limits::default(), false).await;
    let load = ask(server.at, "POST /v2/repository/models/m/load", "", b"{}").await;
    assert!(load.status() == 503 && has_id(&load.text()), "{}", load.text());
    let absent = ask(server.at, "POST /v2/models/m/trace/setting", "", b"{}").await;
    assert!(absent.status() == 501 && !has_id(&absent.text()), "{}", absent.text());
}

#[tokio::test]
async fn a_body_that_stalls_is_its_senders_doing() {
    let server = start(Limits { body_timeout_ms: 20, ..Limits::default() }, false).await;
    let mut client = Client::new(server.at).await;
    let whole = request(INFER, "", GOOD);
    client.send(&whole[..whole.len() - 1]).await;
    let slow = client.reply().await.unwrap();
    assert!(slow.status() == 408 && !has_id(&slow.text()), "{}", slow.text());
    assert_eq!(server.gateway.logged(), [""; 0]);
    assert!(server.gateway.metrics().contains("headrace_requests_refused_total{kind=\"slow\"} 1\n"));
}

#[tokio::test]
async fn not_to_be_ready_is_no_error() {
    let server = start(Limits::default(), false).await;
    let gone = r#"{"epoch": {"term": 1, "sequence": 2}, "models": {
        "m": {"versions": [{"version": 1, "state": "UNAVAILABLE"}], "weights": []}}}"#;
    server.gateway.apply_policy(gone).unwrap();
    for path in ["GET /v2/health/ready", "GET /v2/models/m/ready", "GET /v2/models/m/versions/1/ready"] {
        let reply = ask(server.at, path, "", b"").await;
        assert!(reply.status() == 503 && !has_id(&reply.text()), "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn no_note_grows_with_what_the_client_sent() {
    let server = start(Limits::default(), false).await;
    let long = "ü".repeat(20_000);
    let good = std::str::from_utf8(GOOD).unwrap();
    let bodies = [
        good.replace("\"x\"", &format!("\"{long}\"")),
        good.replace("FP32", &long),
        good.replace("[1,2]}", &format!("[\"a{long}\"]}}")),
        good.replace("{\"inputs\"", &format!("{{\"id\":\"{long}\",\"inputs\"")).replace("[1,2]}", "[1]}"),
        good.replace("{\"inputs\"", &format!("{{\"parameters\":{{\"p\":{}}},\"inputs\"", "9".repeat(20_000))),
    ];
    for body in bodies {
        let reply = ask(server.at, INFER, "", body.as_bytes()).await;
        assert_eq!(reply.status(), 400, "{}", reply.text());
        assert!(reply.body.len() < 1100, "{} bytes: {:.200}", reply.body.len(), reply.text());
    }
}

#[tokio::test]
async fn a_panic_costs_its_request_and_not_the_connection() {
    let server = start(Limits::default(), false).await;
    let mut client = Client::new(server.at).await;
    let before = panics::count();
    server.echo.breaks.store(true, Relaxed);
    client.send(&request(INFER, "", GOOD)).await;
    let told = client.reply().await.unwrap();
    assert!(told.status() == 500 && has_id(&told.text()), "{}", told.text());
    assert!(told.text().contains("a bug of headrace ended this request"), "{}", told.text());
    assert!(panics::count() > before);
    let counted = format!("\nheadrace_panics_total {}\n", panics::count());
    assert!(server.gateway.metrics().contains("\nheadrace_panics_total "), "{counted}");
    let logged = server.gateway.next_error().unwrap();
    assert!(logged.contains(told.text().split("[error id ").nth(1).unwrap().split(']').next().unwrap()));
    client.send(&request(INFER, "", GOOD)).await;
    assert_eq!(client.reply().await.unwrap().status(), 200, "the next one is answered");
}

#[tokio::test]
async fn a_panic_before_a_request_is_known_is_answered_too() {
    let server = start(Limits::default(), false).await;
    panics::plant("/v2/fragile");
    let told = ask(server.at, "GET /v2/fragile", "", b"").await;
    assert!(told.status() == 500 && has_id(&told.text()), "{}", told.text());
    assert_eq!(ask(server.at, "GET /v2/fragile", "", b"").await.status(), 404, "the next one is answered");
}
