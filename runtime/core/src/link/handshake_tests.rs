use super::*;
use crate::link::{
    gateway::{Endpoint, Links},
    host::Listener,
    testing::{Desk, Lines, Shelf, folder, until},
};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A process that is stopped, say. The time is the test's.
#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_given_up() {
    let path = folder("silent").join("host.sock");
    let lines = Lines::default();
    let host = Listener::listen(&Handle::current(), &path, Shelf::new(true), None, lines.log()).unwrap();
    let _socket = UnixStream::connect(&path).await.unwrap();
    until("the host gives up", || lines.have("a gateway was not linked: no HELLO from the peer within 5 s"))
        .await;
    assert_eq!(host.gateways(), 0);
    let silent = path.with_extension("silent");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    let links = Links::new(Handle::current(), Arc::<Desk>::default(), None, lines.log());
    links.set_endpoints(vec![Endpoint { id: "silent".to_owned(), socket: silent }]);
    until("the gateway gives up", || {
        lines.have("no HELLO from the peer within 5 s") && lines.have("cannot reach")
    })
    .await;
}

#[tokio::test]
async fn hellos_that_cannot_be_agreed_on_are_refused_with_a_reason() {
    let path = folder("hello").join("host.sock");
    let lines = Lines::default();
    let _host = Listener::listen(&Handle::current(), &path, Shelf::new(true), None, lines.log()).unwrap();
    let hello = |protocol, oldest_protocol, arena_bytes| {
        let mut out = Vec::new();
        let hello = proto::Hello { protocol, oldest_protocol, arena_bytes, carried: vec![] };
        encode(&mut out, &Head::new(Kind::Hello, 0), |out| frame_meta::append(out, &hello), &[]).unwrap();
        out
    };
    let mut drain = Vec::new();
    encode(&mut drain, &Head::new(Kind::Drain, 0), |_| {}, &[]).unwrap();
    let cases = [
        (hello(9, 8, 0), "speaks link protocols 8 to 9"),
        (hello(0, 0, 0), "speaks link protocols 0 to 0"),
        (hello(1, 1, 4096), "announced 4096 bytes of memory and passed none"),
        (drain, "Drain came before HELLO"),
        (vec![], "hung up before its HELLO"),
    ];
    for (bytes, why) in cases {
        let socket = UnixStream::connect(&path).await.unwrap();
        socket.writable().await.unwrap();
        if !bytes.is_empty() {
            assert_eq!(rustix::net::send(&socket, &bytes, rustix::net::SendFlags::empty()), Ok(bytes.len()));
        }
        rustix::net::shutdown(&socket, rustix::net::Shutdown::Write).unwrap();
        until(why, || lines.have(why)).await;
    }
}
