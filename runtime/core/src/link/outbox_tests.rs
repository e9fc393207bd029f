use super::{super::socket, *};
use std::sync::Arc;
use tokio::{io::AsyncReadExt, net::UnixStream};

fn pair() -> (Outbox, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Outbox::new(socket::split(ours.into_std().unwrap().into()).unwrap().1), theirs)
}

fn bytes(fill: u8, len: usize) -> impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong> {
    move |out| {
        out.resize(out.len() + len, fill);
        Ok(())
    }
}

#[tokio::test]
async fn a_flush_sends_from_the_calling_thread() {
    let (outbox, mut theirs) = pair();
    assert_eq!((outbox.put(bytes(1, 3)), outbox.put(bytes(2, 2))), (Ok(3), Ok(5)));
    assert_eq!(outbox.written(), 0);
    let outbox = std::thread::spawn(move || {
        outbox.flush();
        outbox
    });
    assert_eq!(outbox.join().unwrap().written(), 5);
    let mut got = [0; 5];
    theirs.read_exact(&mut got).await.unwrap();
    assert_eq!(got, [1, 1, 1, 2, 2]);
}

/// A reader that stops costs what one turn produced and no more: the outbox says when it is low again.
#[tokio::test]
async fn what_the_socket_does_not_take_is_sent_by_the_task_in_order() {
    let (outbox, mut theirs) = pair();
    let outbox = Arc::new(outbox);
    let writer = Arc::clone(&outbox);
    let writing = tokio::spawn(async move { writer.write().await });
    let mut len = 0;
    for round in 0..40_u8 {
        outbox.put(bytes(round, 100_000)).unwrap();
        outbox.flush();
        len += 100_000;
    }
    assert!(outbox.written() < len, "the socket cannot hold 4 MB");
    let low = tokio::time::timeout(std::time::Duration::from_millis(20), outbox.until_low());
    assert!(low.await.is_err(), "the reader has not read");
    let mut got = vec![0; 4_000_000];
    theirs.read_exact(&mut got).await.unwrap();
    for (round, part) in got.chunks(100_000).enumerate() {
        assert!(part.iter().all(|byte| usize::from(*byte) == round), "part {round}");
    }
    outbox.until_low().await;
    assert_eq!(outbox.written(), len);
    outbox.close();
    assert!(writing.await.unwrap().is_err());
}

#[tokio::test]
async fn a_frame_that_is_too_long_and_a_closed_outbox_leave_nothing() {
    let (outbox, _theirs) = pair();
    assert_eq!(outbox.put(|_| Err(TooLong(9))), Err(Unsent::TooLong(TooLong(9))));
    outbox.close();
    assert_eq!(outbox.put(bytes(1, 1)), Err(Unsent::Closed));
    outbox.until_low().await;
}

#[tokio::test]
async fn a_peer_that_is_gone_ends_the_writing_task() {
    let (outbox, theirs) = pair();
    drop(theirs);
    outbox.put(bytes(1, 1)).unwrap();
    outbox.flush();
    assert!(outbox.write().await.is_err());
    assert_eq!(outbox.written(), 0);
}
