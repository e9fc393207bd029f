//! A drain whose time is over.

use super::{
    bench::{ONE, ask, contract, start, up},
    spout::Spout,
};
use crate::gateway::{Gateway, GatewaySettings};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn asks(address: &str, path: &str, body: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let len = body.len();
    let request =
        format!("POST /v2/models/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\n\r\n{body}");
    client.write_all(request.as_bytes()).unwrap();
    client
}

fn hears(mut client: TcpStream) -> String {
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    all
}

/// In parts after the first and before it, in flight, and in the queue.
#[test]
#[expect(clippy::disallowed_methods, reason = "the drain is one of this thread, in real time")]
fn whoever_is_not_answered_in_time_is_told() {
    let http = Some("127.0.0.1:0".to_owned());
    let gateway =
        Gateway::new(GatewaySettings { http, io_threads: 2, ..GatewaySettings::default() }).unwrap();
    gateway.apply_policy(ONE).unwrap();
    let spout = Spout::up(&gateway, true);
    let (_, held) = up(&gateway, contract(1), 1);
    gateway.start().unwrap();
    let address = gateway.addresses()["http"].clone();
    let until = |what: &str, happens: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !happens() {
            assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let begun = asks(&address, "g/generate_stream", r#"{"prompt":[9]}"#);
    until("it runs", &|| spout.runs() == 1);
    spout.say(2);
    let silent = asks(&address, "g/generate", r#"{"prompt":[9]}"#);
    until("it runs", &|| spout.runs() == 2);
    let infer = r#"{"inputs":[{"name":"x","shape":[1,1],"datatype":"UINT8","data":[1]}]}"#;
    let flies = asks(&address, "m/infer", infer);
    until("it flies", &|| held.len() == 1);
    let waits = asks(&address, "m/infer", infer);
    until("it waits", &|| gateway.stats().contains("\"waiting\":1"));
    let unread = asks(&address, "g/generate_stream", r#"{"prompt":[9]}"#);
    until("it runs", &|| spout.runs() == 3);

    let began = Instant::now();
    assert!(!gateway.drain(Duration::from_secs(2)), "nobody was answered");
    let took = began.elapsed();
    // Its own time and not that of a caller, which is thirty seconds.
    assert!((Duration::from_millis(1700)..Duration::from_secs(20)).contains(&took), "{took:?}");
    let told = hears(begun);
    assert!(told.starts_with("HTTP/1.1 200") && told.matches("\"token\":").count() == 2, "{told}");
    let last = told.rsplit("data: ").next().unwrap();
    assert!(last.starts_with("{\"error\":\"Server exiting: its time is over"), "{told}");
    assert!(told.ends_with("\r\n0\r\n\r\n"), "{told}");
    for one in [silent, flies, waits, unread] {
        let told = hears(one);
        assert!(told.starts_with("HTTP/1.1 503") && told.contains("time is over"), "{told}");
    }
    let page = gateway.metrics();
    for (model, version, count) in [("g", 5, 3), ("m", 1, 2)] {
        let labels = format!("{{model=\"{model}\",version=\"{version}\",kind=\"unavailable\"}}");
        assert!(page.contains(&format!("headrace_request_failures_total{labels} {count}\n")), "{model}");
    }
    let left: serde_json::Value = serde_json::from_str(&gateway.stats()).unwrap();
    assert_eq!(left["requests"], 5, "as it was when their time was over");
    assert_eq!((spout.cancelled(), held.cancelled.lock().len()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_who_is_cut_says_so() {
    let gateway = super::bench::gateway();
    let (_, _held) = up(&gateway, contract(1), 8);
    let asked = start(&gateway, ask(1, 1)).await;
    gateway.cut();
    let told = asked.await.unwrap().unwrap_err();
    let kept = gateway.recent();
    assert!(
        [&*told.note, &kept].iter().all(|note| note.contains("Server exiting: its time is over")),
        "{kept}"
    );
}
