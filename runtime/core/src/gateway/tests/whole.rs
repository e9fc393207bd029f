//! A gateway as a process has it: threads, sockets, drain.

use super::bench::*;
use crate::gateway::{Gateway, GatewaySettings};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
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
