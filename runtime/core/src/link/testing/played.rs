//! The other end of a link as a test plays it, after a HELLO in good order.

use super::{ARENA, Desk, Lines, contract, frames::Wire, until};
use crate::{
    link::{
        gateway::{Endpoint, Links},
        handshake::{Joined, hello, join},
    },
    mem::arena::Arena,
    wire::{
        frame::Kind,
        frame_meta::{self, proto},
    },
};
use std::path::Path;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;

pub(in crate::link) fn send(joined: &Joined, bytes: &[u8]) {
    let before = joined.outbox.written();
    let frame = |out: &mut Wire| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    joined.outbox.put(frame).unwrap();
    joined.outbox.flush();
    assert_eq!(joined.outbox.written() - before, u64::try_from(bytes.len()).unwrap());
}

/// A gateway played by the test.
pub(in crate::link) async fn joined(path: &Path) -> Joined {
    let socket = UnixStream::connect(path).await.unwrap();
    join(socket, Some(&Arena::new(ARENA).unwrap())).await.unwrap()
}

/// Hears the host until it hangs up.
pub(in crate::link) async fn to_the_end(joined: &mut Joined) {
    while let Ok(true) = joined.inbox.more().await {
        while let Ok(Some(_)) = joined.inbox.next_frame() {}
    }
}

/// A host played by the test, linked to a real gateway's side. `sends` is the gateway's memory, `answers` the host's.
pub(in crate::link) async fn hosted(
    path: &Path,
    desk: &Arc<Desk>,
    lines: &Lines,
    sends: Option<Arena>,
    answers: Option<&Arena>,
) -> (Links, Joined) {
    hosted_with(path, (desk, lines), (sends, answers), 1).await
}

/// The same, of this version.
pub(in crate::link) async fn hosted_with(
    path: &Path,
    (desk, lines): (&Arc<Desk>, &Lines),
    (sends, answers): (Option<Arena>, Option<&Arena>),
    version: u64,
) -> (Links, Joined) {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap();
    let links = Links::new(Handle::current(), desk.clone(), sends, lines.log());
    links.set_endpoints(vec![Endpoint { id: "x".to_owned(), socket: path.to_owned() }]);
    let (socket, _) = listener.accept().await.unwrap();
    let carried =
        proto::Carried { contract: Some(frame_meta::contract_out(&contract(version))), window_rows: 64 };
    let joined = join(socket, answers).await.unwrap();
    joined.outbox.put(|out| hello(out, None, vec![carried])).unwrap();
    joined.outbox.flush();
    until("the carrier is up", || desk.up.lock().len() == 1).await;
    (links, joined)
}

/// Hears so many frames of a kind, and no others after them.
pub(in crate::link) async fn until_frames(joined: &mut Joined, kind: Kind, mut count: usize) {
    while count > 0 {
        assert!(joined.inbox.more().await.unwrap());
        while let Some(frame) = joined.inbox.next_frame().unwrap() {
            count -= usize::from(frame.head.kind == kind);
        }
    }
}
