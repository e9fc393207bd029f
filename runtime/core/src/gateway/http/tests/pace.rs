//! How slowly a body may come: read from a connection whose time is ours.

use crate::base::clock;
use crate::base::fault::{Fault, Kind};
use crate::gateway::{Client, Gateway, GatewaySettings, http::body};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{Request, Response, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What reading comes to, the body's length or a fault, and after how long: `framing` is the header that says how
/// long the body is, and its parts come a `pause` after each other.
async fn lasts(framing: &str, parts: Vec<Vec<u8>>, pause: Duration) -> (Result<usize, Fault>, Duration) {
    let gateway = Gateway::new(GatewaySettings::default()).unwrap();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let outcome = Arc::new(Mutex::new(None));
    let service = service_fn(|request: Request<Incoming>| {
        let (gateway, outcome) = (Arc::clone(&gateway), Arc::clone(&outcome));
        async move {
            let began = clock::now();
            let client = Client::new(gateway);
            let read = body::read(&client, request.into_body()).await.map(|(_reserved, body)| body.len());
            *outcome.lock() = Some((read, clock::now().since(began)));
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let (mut answer, mut request) = tokio::io::split(theirs);
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{framing}\r\n\r\n");
    let send = async {
        request.write_all(head.as_bytes()).await.unwrap();
        for part in parts {
            // Fails once the reader has given up.
            let _ = request.write_all(&part).await;
            tokio::time::sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    let serve = http1::Builder::new().serve_connection(TokioIo::new(ours), service);
    tokio::select! {
        () = send => {}
        _ = serve => {}
        _ = answer.read_u8() => {}
    }
    assert_eq!(gateway.ledger.taken(), 0);
    outcome.lock().take().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_given_up() {
    let (byte, chunk) = (vec![b"x".to_vec(); 100], vec![b"1\r\nx\r\n".to_vec(); 100]);
    for (framing, parts) in [("content-length: 67108864", byte), ("transfer-encoding: chunked", chunk)] {
        let (read, took) = lasts(framing, parts, Duration::from_secs(20)).await;
        let fault = read.unwrap_err();
        assert_eq!((fault.kind, took.as_secs()), (Kind::Slow, 40), "{framing}");
        assert!(fault.note.contains("at least 65536 bytes a second"), "{}", fault.note);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_keeps_its_pace_may_take_long() {
    let parts = vec![vec![0; 70_000]; 50];
    let (read, took) = lasts("content-length: 3500000", parts, Duration::from_secs(1)).await;
    assert_eq!((read.unwrap(), took.as_secs()), (3_500_000, 49));
}

#[tokio::test(start_paused = true)]
async fn a_small_body_has_its_time() {
    let parts = vec![b"a".to_vec(), b"b".to_vec()];
    let (read, took) = lasts("content-length: 2", parts, Duration::from_secs(29)).await;
    assert_eq!((read.unwrap(), took.as_secs()), (2, 29));
}
