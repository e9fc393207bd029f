use super::*;
use crate::gateway::GatewaySettings;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Of "secret".
const DIGEST: &str = "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols";

fn gateway(console: &str, token_sha256: Option<&str>) -> Arc<Gateway> {
    let labels = serde_json::json!({"console": console, "token_sha256": token_sha256});
    let labels = serde_json::from_value(labels).unwrap();
    Gateway::new(GatewaySettings { labels: Some(labels), ..GatewaySettings::default() }).unwrap()
}

fn said(name: header::HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, value.parse().unwrap())])
}

#[test]
fn who_brings_the_token_is_let_in_where_there_is_one() {
    let open = gateway("x:1", None);
    assert!(open.let_in(&HeaderMap::new()).is_ok());
    let shut = gateway("x:1", Some(DIGEST));
    for right in ["Bearer secret", "bearer secret"] {
        assert!(shut.let_in(&said(header::AUTHORIZATION, right)).is_ok(), "{right}");
    }
    for wrong in ["", "secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secret1", "Basic! secret"] {
        let fault = shut.let_in(&said(header::AUTHORIZATION, wrong)).unwrap_err();
        assert_eq!((fault.kind, &*fault.note), (Kind::Forbidden, TOKEN_NEEDED), "{wrong}");
    }
    assert_eq!(shut.let_in(&HeaderMap::new()).unwrap_err().kind, Kind::Forbidden);
    assert!(!format!("{:?}", shut.let_in(&said(header::AUTHORIZATION, "Bearer secret"))).contains("secret"));
    let none = Gateway::new(GatewaySettings::default()).unwrap();
    assert_eq!(none.let_in(&HeaderMap::new()).unwrap_err().kind, Kind::Unsupported);
}

#[test]
fn only_so_many_are_here_at_once() {
    let gateway = gateway("x:1", None);
    let mut here: Vec<_> = (0..PLACES).map(|_| gateway.let_in(&HeaderMap::new()).unwrap()).collect();
    let fault = gateway.let_in(&HeaderMap::new()).unwrap_err();
    assert_eq!((fault.kind, fault.retry_after), (Kind::Overloaded, Duration::from_secs(1)));
    here.pop();
    assert!(gateway.let_in(&HeaderMap::new()).is_ok());
}

/// Answers whatever comes, and counts how many it has at once.
async fn console(answer: &'static str) -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (now, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (counted, highest) = (Arc::clone(&now), Arc::clone(&most));
    tokio::spawn(async move {
        loop {
            let (mut line, _) = listener.accept().await.unwrap();
            let (now, most) = (Arc::clone(&counted), Arc::clone(&highest));
            tokio::spawn(async move {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                let mut came = Vec::new();
                while !came.ends_with(b"labels") {
                    line.read_buf(&mut came).await.unwrap();
                }
                let came = String::from_utf8(came).unwrap();
                assert!(
                    came.contains("host: localhost:8000") && came.contains("authorization: Bearer secret")
                );
                tokio::time::sleep(Duration::from_millis(2)).await;
                now.fetch_sub(1, SeqCst);
                line.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    (at, now, most)
}

#[tokio::test]
async fn the_console_is_asked_as_the_sender_asked_one_after_the_other() {
    const ANSWER: &str = "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}";
    let (at, now, most) = console(ANSWER).await;
    let gateway = gateway(&at, Some(DIGEST));
    let mut headers = said(header::AUTHORIZATION, "Bearer secret");
    headers.insert(header::HOST, HeaderValue::from_static("localhost:8000"));
    let sent = (0..8).map(|_| gateway.let_in(&headers).unwrap().send(Bytes::from_static(b"labels")));
    for said in futures_util::future::join_all(sent).await {
        let said = said.unwrap();
        assert_eq!(
            (said.status.as_u16(), said.retry_after.unwrap(), &*said.body),
            (503, "7".parse().unwrap(), &b"{}"[..])
        );
    }
    assert_eq!((now.load(SeqCst), most.load(SeqCst)), (0, 1));
    assert_eq!(gateway.labels.places.available_permits(), PLACES);
}

#[tokio::test]
async fn what_became_of_labels_without_an_answer_is_not_known() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "nonsense\r\n\r\n"] {
        let (at, ..) = console(answer).await;
        let gateway = gateway(&at, None);
        let mut headers = said(header::AUTHORIZATION, "Bearer secret");
        headers.insert(header::HOST, HeaderValue::from_static("localhost:8000"));
        let fault = gateway.let_in(&headers).unwrap().send(Bytes::from_static(b"labels")).await.unwrap_err();
        assert!(
            fault.kind == Kind::Unavailable && fault.note.ends_with("send them again"),
            "{answer}: {fault}"
        );
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway = gateway(&nobody.to_string(), None);
    let sender = gateway.let_in(&HeaderMap::new()).unwrap();
    assert_eq!(sender.send(Bytes::new()).await.unwrap_err().kind, Kind::Unavailable);
}
