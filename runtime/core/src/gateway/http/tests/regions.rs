//! Tensors in shared memory that a client registered, over HTTP.

use super::bench::{Server, ask, start};
use crate::gateway::Limits;
use crate::mem::region::testing::Memory;

const INFER: &str = "POST /v2/models/m/infer";

async fn server() -> Server {
    start(Limits { client_regions: 3, body_bytes: 4000, ..Limits::default() }, false).await
}

async fn register(server: &Server, name: &str, memory: &Memory, offset: u64, len: u64) -> (u16, String) {
    let body = format!(r#"{{"key":"{}","offset":{offset},"byte_size":{len}}}"#, memory.key);
    let line = format!("POST /v2/systemsharedmemory/region/{name}/register");
    let reply = ask(server.at, &line, "", body.as_bytes()).await;
    (reply.status(), reply.text())
}

/// A request for a row of two FP32 in region `of`, answered into region `to`.
fn body(of: &str, to: &str, offset: u64, len: u64) -> String {
    let parameters = |region: &str| {
        format!(
            r#""parameters":{{"shared_memory_region":"{region}","shared_memory_offset":{offset},"shared_memory_byte_size":{len}}}"#
        )
    };
    format!(
        r#"{{"inputs":[{{"name":"x","shape":[1,2],"datatype":"FP32",{}}}],"outputs":[{{"name":"y",{}}}]}}"#,
        parameters(of),
        parameters(to)
    )
}

#[tokio::test]
async fn inputs_are_read_from_there_and_outputs_written_there() {
    let server = server().await;
    let (of, to) = (Memory::of(&[9; 64]), Memory::of(&[0; 64]));
    assert_eq!(register(&server, "of", &of, 0, 64).await, (200, String::new()));
    assert_eq!(register(&server, "to", &to, 32, 32).await, (200, String::new()));
    let reply = ask(server.at, INFER, "", body("of", "to", 8, 8).as_bytes()).await;
    let want = concat!(
        r#"{"model_name":"m","model_version":"1","outputs":"#,
        r#"[{"name":"y","datatype":"FP32","shape":[1,2]}]}"#
    );
    assert_eq!((reply.status(), reply.text().as_str()), (200, want));
    let mut written = [0; 64];
    written[40..48].fill(9);
    assert_eq!(to.bytes(), written);
    let reply = ask(server.at, "GET /v2/systemsharedmemory/status", "", b"").await;
    let told = format!(
        r#"[{{"byte_size":64,"key":"{}","name":"of","offset":0}},{{"byte_size":32,"key":"{}","name":"to","offset":32}}]"#,
        of.key, to.key
    );
    assert_eq!(reply.text(), told);
    ask(server.at, "POST /v2/systemsharedmemory/region/of/unregister", "", b"").await;
    let reply = ask(server.at, INFER, "", body("of", "to", 8, 8).as_bytes()).await;
    let want = r#"{"error":"Unable to find shared memory region: 'of'"}"#;
    assert_eq!((reply.status(), reply.text().as_str()), (404, want));
    ask(server.at, "POST /v2/systemsharedmemory/unregister", "", b"").await;
    let reply = ask(server.at, "GET /v2/systemsharedmemory/status", "", b"").await;
    assert_eq!((reply.text().as_str(), server.gateway.ledger.taken()), ("[]", 0));
    let reply = ask(server.at, "GET /v2", "", b"").await;
    assert!(reply.text().contains("system_shared_memory"), "{}", reply.text());
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_it_runs() {
    let server = server().await;
    let (of, to) = (Memory::of(&[9; 8192]), Memory::of(&[0; 64]));
    register(&server, "of", &of, 0, 8192).await;
    register(&server, "to", &to, 0, 64).await;
    let table = [
        (body("of", "to", 57, 8), 400, "Invalid offset + byte size for shared memory region: 'to'"),
        (
            body("of", "to", 0, 4),
            400,
            "input byte size mismatch for input 'x' for model 'm'. Expected 8, got 4",
        ),
        (body("of", "to", 0, 8).replace("[1,2]", "[9223372036854775807,9]"), 400, "Expected more than can"),
        (body("of", "none", 0, 8), 404, "Unable to find shared memory region: 'none'"),
        (
            body("of", "of", 0, 4008).replace("[1,2]", "[501,2]"),
            400,
            "exceed the maximum allowed value of 4000 bytes (limit body_bytes)",
        ),
        (
            body("of", "to", 0, 8)
                .replace(r#""name":"y","parameters":{"#, r#""name":"y","parameters":{"binary_data":true,"#),
            400,
            "take 'binary_data' and",
        ),
        (
            body("of", "to", 0, 8)
                .replace(r#""shared_memory_byte_size":8}}]}"#, r#""shared_memory_byte_size":7}}]}"#),
            400,
            "output 'y' (7 bytes) should be at least 8 bytes",
        ),
    ];
    for (body, status, want) in &table {
        let reply = ask(server.at, INFER, "", body.as_bytes()).await;
        assert_eq!(reply.status(), *status, "{want}: {}", reply.text());
        assert!(reply.text().contains(want), "{want}: {}", reply.text());
    }
    assert!(to.bytes().iter().all(|byte| *byte == 0), "nothing was written");
    std::fs::write(of.path(), b"").unwrap();
    // Refused before it is read: there would be too little.
    let reply = ask(server.at, "POST /v2/models/z/infer", "", body("of", "to", 0, 8).as_bytes()).await;
    assert_eq!(reply.status(), 404, "{}", reply.text());
    let reply = ask(server.at, INFER, "", body("of", "to", 0, 4).as_bytes()).await;
    assert!(reply.text().contains("input byte size mismatch"), "{}", reply.text());
    let reply = ask(server.at, INFER, "", body("of", "to", 0, 8).as_bytes()).await;
    assert!(reply.text().contains("shorter than it was when it was registered"), "{}", reply.text());
    for (name, key, size, want) in [
        ("of", "/k", 1, "shared memory region 'of' already in manager"),
        (
            "new",
            "/headrace-no-such-memory",
            1,
            "Unable to open shared memory region: '/headrace-no-such-memory'",
        ),
        ("new", "/../etc/passwd", 1, "is no key of shared memory"),
        ("new", to.key.as_str(), 65, "failed to register shared memory region 'new': invalid args"),
    ] {
        let (line, body) = (
            format!("POST /v2/systemsharedmemory/region/{name}/register"),
            format!(r#"{{"key":"{key}","byte_size":{size}}}"#),
        );
        let reply = ask(server.at, &line, "", body.as_bytes()).await;
        assert!(reply.status() == 400 && reply.text().contains(want), "{want}: {}", reply.text());
    }
    assert_eq!(server.gateway.ledger.taken(), 0);
}

#[tokio::test]
async fn strings_are_checked_after_they_were_copied() {
    let server = server().await;
    let (good, bad) = (Memory::of(b"\x02\0\0\0hi"), Memory::of(b"\xff\0\0\0hi"));
    register(&server, "good", &good, 0, 6).await;
    register(&server, "bad", &bad, 0, 6).await;
    for (region, want) in [("good", r#""data":["hi"]"#), ("bad", "error")] {
        let body = format!(
            r#"{{"inputs":[{{"name":"x","shape":[1,1],"datatype":"BYTES","parameters":{{"shared_memory_region":"{region}","shared_memory_byte_size":6}}}}]}}"#
        );
        let reply = ask(server.at, "POST /v2/models/s/infer", "", body.as_bytes()).await;
        assert!(reply.text().contains(want), "{}", reply.text());
    }
}

#[tokio::test]
async fn what_is_copied_counts_as_if_it_had_been_sent() {
    let limits = Limits { client_regions: 1, in_flight_bytes: 6000, body_bytes: 5000, ..Limits::default() };
    let server = start(limits, true).await;
    let element = [&4092_u32.to_le_bytes()[..], &[b'x'; 4092]].concat();
    let memory = Memory::of(&element);
    register(&server, "r", &memory, 0, 4096).await;
    let body = r#"{"inputs":[{"name":"x","shape":[1,1],"datatype":"BYTES",
        "parameters":{"shared_memory_region":"r","shared_memory_byte_size":4096}}]}"#;
    let at = server.at;
    let first = tokio::spawn(async move { ask(at, "POST /v2/models/s/infer", "", body.as_bytes()).await });
    server.echo.got.acquire().await.unwrap().forget();
    assert!((4096..6000).contains(&server.gateway.ledger.taken()));
    // Before it is read: there would be too little.
    std::fs::write(memory.path(), b"").unwrap();
    let reply = ask(server.at, "POST /v2/models/s/infer", "", body.as_bytes()).await;
    assert_eq!(reply.status(), 429, "{}", reply.text());
    first.abort();
}

#[tokio::test]
async fn what_is_copied_is_no_more_than_one_connection_may_hold() {
    let limits = Limits { client_regions: 1, connection_bytes: 100 << 10, ..Limits::default() };
    let server = start(limits, false).await;
    let text = 120_u32 << 10;
    let memory = Memory::of(&[&text.to_le_bytes()[..], &vec![b'x'; text as usize]].concat());
    let len = u64::from(text) + 4;
    register(&server, "r", &memory, 0, len).await;
    let body = format!(
        r#"{{"inputs":[{{"name":"x","shape":[1,1],"datatype":"BYTES","parameters":{{"shared_memory_region":"r","shared_memory_byte_size":{len}}}}}]}}"#
    );
    let reply = ask(server.at, "POST /v2/models/s/infer", "", body.as_bytes()).await;
    assert!(reply.status() == 429 && reply.text().contains("limit connection_bytes"), "{}", reply.text());
    assert_eq!(server.gateway.ledger.taken(), 0);
}
