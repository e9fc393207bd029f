//! A gateway as a process has it: threads, sockets, drain.

use super::bench::*;
use crate::base::{contract::Contract, fault::Kind, inference::Inference, panics};
use crate::gateway::{Gateway, GatewaySettings, queue::mailbox::Mailbox};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

fn settings() -> GatewaySettings {
    let metrics = Some("127.0.0.1:0".to_owned());
    GatewaySettings { metrics, io_threads: 2, ..GatewaySettings::default() }
}

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

#[test]
fn it_listens_until_it_is_drained() {
    let gateway = Gateway::new(settings()).unwrap();
    gateway.apply_policy(ONE).unwrap();
    gateway.start().unwrap();
    let _host = up(&gateway, contract(1), 4);
    let address = gateway.addresses()["metrics"].clone();
    assert!(get(&address).contains("nv_inference_count"));
    assert_eq!(gateway.start().unwrap_err().kind(), ErrorKind::AlreadyExists);

    let second = Gateway::new(GatewaySettings { metrics: Some(address.clone()), ..settings() }).unwrap();
    let taken = second.start().unwrap_err();
    assert!(taken.to_string().contains(&std::process::id().to_string()), "{taken}");

    assert!(gateway.is_ready());
    gateway.set_endpoints(r#"[{"id": "a", "socket": "/nowhere/a.sock"}]"#).unwrap();
    assert!(gateway.next_error().unwrap().contains("cannot reach the host at /nowhere/a.sock"));
    assert!(gateway.set_endpoints(r#"[{"id": "a"}]"#).unwrap_err().contains("socket"));
    assert!(gateway.drain(Duration::from_secs(5)));
    assert!(!gateway.is_ready());
    assert_eq!(gateway.next_error(), None);
    assert!(gateway.set_endpoints("[]").unwrap_err().contains("not started"));
    assert_eq!(TcpStream::connect(&address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(gateway.start().unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[test]
fn settings_are_read_strictly() {
    let parsed = GatewaySettings::parse(r#"{"http": "127.0.0.1:8000", "limits": {"streams": 7}}"#).unwrap();
    assert_eq!((parsed.http.as_deref(), parsed.limits.streams), (Some("127.0.0.1:8000"), 7));
    assert_eq!(parsed.limits.body_bytes, 64 << 20);
    let error = GatewaySettings::parse(r#"{"htp": "127.0.0.1:8000"}"#).unwrap_err();
    assert!(error.contains("htp"), "{error}");
}

/// Callers of one thread share a mailbox, and one task empties it.
#[test]
fn a_panic_in_a_delivery_costs_one_caller() {
    let gateway = Gateway::new(settings()).unwrap();
    let table = ONE.replace("\"m\"", "\"fragile\"");
    gateway.apply_policy(&table).unwrap();
    gateway.start().unwrap();
    let (_, host) = up(&gateway, Contract { model: "fragile".into(), ..contract(1) }, 8);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        Mailbox::open();
        settle_down().await;
        let mut asked = Vec::new();
        for fill in 1..=3 {
            asked.push(start(&gateway, Inference { model: "fragile".into(), ..ask(1, fill) }).await);
        }
        panics::plant("delivery to fragile");
        let held = Arc::clone(&host);
        std::thread::spawn(move || (0..3).for_each(|_| held.answer())).join().unwrap();
        let first = asked.remove(0).await.unwrap().unwrap_err();
        assert_eq!((first.kind, first.note.contains("the gateway lost the request")), (Kind::Internal, true));
        for asked in asked {
            asked.await.unwrap().unwrap();
        }
    });
    gateway.drain(Duration::from_secs(5));
}
