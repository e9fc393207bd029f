//! In every order: what is put into an outbox leaves whole, once, in order, by one writer at a time, and whoever
//! waits for that hears of it.

use super::outbox::{HIGH, Outbox, Transport};
use crate::base::{
    primitive::{
        Mutex,
        model::{self, check},
        thread,
    },
    units::Tick,
};
use loom::future::block_on;
use std::io;
use std::sync::Arc;

/// A socket with room for so many bytes; its peer reads when the task waits for room.
#[derive(Debug)]
struct Pipe {
    size: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    bytes: Vec<u8>,
    /// Of them, read by the peer.
    read: usize,
    /// Somebody is in `send`.
    busy: bool,
}

impl Transport for Arc<Pipe> {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let begun = std::mem::replace(&mut self.inside.lock().busy, true);
        assert!(!begun, "two are writing");
        let mut inside = self.inside.lock();
        inside.busy = false;
        let taken = bytes.len().min(self.size + inside.read - inside.bytes.len());
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        inside.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    async fn send_when_ready(&self, bytes: &[u8]) -> io::Result<usize> {
        {
            let mut inside = self.inside.lock();
            inside.read = inside.bytes.len();
        }
        self.send(bytes)
    }
}

type Shared = Arc<Outbox<Arc<Pipe>>>;

fn outbox(size: usize) -> (Shared, Arc<Pipe>) {
    let pipe = Arc::new(Pipe { size, inside: Mutex::default() });
    (Arc::new(Outbox::new(Arc::clone(&pipe))), pipe)
}

fn put(outbox: &Shared, fill: u8, len: usize) {
    let frame = |out: &mut Vec<u8>| {
        out.resize(out.len() + len, fill);
        Ok(())
    };
    outbox.put(frame).unwrap();
}

fn apart(outbox: &Shared, work: impl FnOnce(Shared) + Send + 'static) -> thread::JoinHandle<()> {
    let outbox = Arc::clone(outbox);
    model::spawn(move || work(outbox))
}

/// The link's task, until the outbox is closed.
fn task(outbox: &Shared) -> thread::JoinHandle<()> {
    apart(outbox, |outbox| assert!(block_on(outbox.write()).is_err()))
}

/// Two lanes write by themselves, one has the task write, and a fourth waits until all is out. The socket cuts frames.
#[test]
fn frames_leave_whole_once_and_in_order() {
    check("outbox", 3, || {
        let (outbox, pipe) = outbox(1);
        let task = task(&outbox);
        let lane = apart(&outbox, |outbox| {
            put(&outbox, 1, 2);
            outbox.flush();
            put(&outbox, 2, 2);
            outbox.nudge();
        });
        put(&outbox, 8, 2);
        outbox.flush();
        lane.join().unwrap();
        assert!(outbox.wait_empty(Tick::NEVER));
        outbox.close();
        task.join().unwrap();
        let sent = std::mem::take(&mut pipe.inside.lock().bytes);
        let orders = [[1, 1, 2, 2, 8, 8], [1, 1, 8, 8, 2, 2], [8, 8, 1, 1, 2, 2]];
        assert!(orders.iter().any(|order| *order == *sent), "{sent:?}");
        assert_eq!(outbox.written(), 6);
    });
}

/// The reading task waits until little is left.
#[test]
fn who_waits_for_room_hears_of_it() {
    check("outbox, full", 3, || {
        let (outbox, _pipe) = outbox(HIGH / 2);
        put(&outbox, 7, HIGH + 1);
        let reading = apart(&outbox, |outbox| block_on(outbox.until_low()));
        let task = task(&outbox);
        outbox.flush();
        reading.join().unwrap();
        outbox.close();
        task.join().unwrap();
    });
}

/// The link ends while a lane writes and others wait: nobody is left behind.
#[test]
fn an_end_frees_whoever_waits() {
    check("outbox, closed", 3, || {
        let (outbox, _pipe) = outbox(1);
        put(&outbox, 7, HIGH + 1);
        let reading = apart(&outbox, |outbox| block_on(outbox.until_low()));
        let ends = apart(&outbox, |outbox| {
            outbox.flush();
            assert!(outbox.wait_empty(Tick::NEVER));
        });
        outbox.close();
        [reading, ends].into_iter().for_each(|thread| thread.join().unwrap());
        assert!(block_on(outbox.write()).is_err());
    });
}
