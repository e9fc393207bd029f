//! A host in a process of its own, killed in the middle.

use super::{
    gateway::{Endpoint, Links},
    host::Listener,
    testing::{ARENA, Desk, Shelf, folder, quiet, until},
};
use crate::{base::fault::Kind, mem::arena::Arena};
use bytes::Bytes;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, WaitOptions, pidfd_getfd, pidfd_open};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

const SOCKET: &str = "HEADRACE_TEST_HOST_SOCKET";

/// Not a test: what the processes below run. Its answers come at once.
#[tokio::test]
#[ignore = "the host's part of the tests below, which start it in a process of its own"]
async fn host_process() {
    let Some(path) = std::env::var_os(SOCKET) else { return };
    let arena = Arena::new(ARENA).unwrap();
    let _host =
        Listener::listen(&Handle::current(), Path::new(&path), Shelf::new(true), Some(arena), quiet());
    std::future::pending::<()>().await;
}

/// A process of a test, which ends with it: one that is left holds the output open that a runner reads to its end.
struct Part(Child);

fn start(socket: &Path) -> Part {
    start_as("host_process", socket)
}

fn start_as(part: &str, socket: &Path) -> Part {
    let started = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("link::kill_tests::{part}"), "--ignored"])
        .env(SOCKET, socket)
        .stdout(Stdio::null())
        .spawn();
    Part(started.unwrap())
}

impl Part {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn kill(&mut self) -> ExitStatus {
        self.0.kill().unwrap();
        self.0.wait().unwrap()
    }

    /// Returns once it does nothing more: a signal that was sent has still to reach its threads.
    fn stop(&self) {
        rustix::process::kill_process(self.pid(), Signal::STOP).unwrap();
        let stopped = rustix::process::waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap();
        assert!(stopped.unwrap().1.stopped());
    }

    /// Of its descriptors, which keep its sockets open beyond it.
    fn copies(&self) -> Vec<OwnedFd> {
        let held = pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        let copy = |descriptor| pidfd_getfd(&held, descriptor, PidfdGetfdFlags::empty()).ok();
        let copies: Vec<_> = (3..64).filter_map(copy).collect();
        assert!(!copies.is_empty());
        copies
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn every_call_is_answered_when_the_host_is_killed_again_and_again() {
    let path = folder("kill").join("host.sock");
    let (desk, sends) = (Arc::new(Desk::default()), Arena::new(ARENA).unwrap());
    let links = Links::new(Handle::current(), desk.clone(), Some(sends.clone()), quiet());
    links.set_endpoints(vec![Endpoint { id: "one".to_owned(), socket: PathBuf::from(&path) }]);
    let (mut fine, mut lost) = (0, 0);
    for round in 0..5_usize {
        let mut host = start(&path);
        until("the host is linked", || !desk.up.lock().is_empty()).await;
        let carrier = desk.up.lock().values().next().unwrap().1.clone();
        let mut calls = vec![];
        // Small ones inline, large ones through memory; killed after a different number of answers each time.
        while desk.answered() < 20 + 13 * round {
            for len in [10, 100_000] {
                calls.push((len, desk.call_through(&carrier, Bytes::from(vec![7; len]))));
            }
            tokio::task::yield_now().await;
        }
        host.0.kill().unwrap();
        calls.push((10, desk.call_through(&carrier, Bytes::from(vec![7; 10]))));
        until("all are answered", || desk.answered() == calls.len()).await;
        for (len, call) in calls {
            match desk.end(call) {
                Ok(output) => {
                    assert_eq!(output, vec![7; len], "an answer outlives its host");
                    fine += 1;
                }
                Err(fault) => {
                    let overrun = fault.kind == Kind::Overloaded; // this test sends more than the window
                    assert!(overrun || fault.kind == Kind::HostLost, "{fault}");
                    lost += usize::from(!overrun);
                }
            }
        }
        until("the carrier is down", || desk.up.lock().is_empty()).await;
        until("what the dead host had is free", || sends.free_bytes() == ARENA).await;
        host.0.wait().unwrap();
    }
    assert!(fine >= 100 && lost >= 5, "{fine} answered, {lost} lost");
}

/// The host's end of the socket survives it, in a child that was forked without exec: only its process's end tells.
#[tokio::test]
async fn a_host_is_dead_when_its_process_is() {
    let path = folder("orphan").join("host.sock");
    let mut host = start(&path);
    let desk = Arc::new(Desk::default());
    let links = Links::new(Handle::current(), desk.clone(), None, quiet());
    links.set_endpoints(vec![Endpoint { id: "one".to_owned(), socket: path }]);
    until("the host is linked", || !desk.up.lock().is_empty()).await;
    let sockets = host.copies();
    host.kill();
    until("the carrier is down", || desk.up.lock().is_empty()).await;
    drop(sockets);
}

/// As a debugger stops it, or a machine that has no more memory. Its socket stays open.
#[tokio::test]
async fn a_host_that_stands_still_is_ended() {
    let pace = Duration::from_millis(30);
    let path = folder("still").join("host.sock");
    let mut host = start(&path);
    let desk = Arc::new(Desk::default());
    let links = Links::impatient(Handle::current(), desk.clone(), quiet(), pace);
    links.set_endpoints(vec![Endpoint { id: "one".to_owned(), socket: path }]);
    until("the host is linked", || !desk.up.lock().is_empty()).await;
    tokio::time::sleep(10 * pace).await;
    assert_eq!(desk.up.lock().len(), 1, "one that has nothing to do is not asked");
    host.stop();
    let call = desk.call(Bytes::from_static(b"one"));
    until("the call is answered", || desk.answered() == 1).await;
    let fault = desk.end(call).unwrap_err();
    assert!(fault.note.contains("it did not answer for 90ms and was ended"), "{fault}");
    assert_eq!((fault.kind, desk.up.lock().len()), (Kind::HostLost, 0));
    assert_eq!(host.0.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
}

/// The clock is ours: both ends are this thread, which a busy machine may keep waiting.
#[tokio::test(start_paused = true)]
async fn a_host_that_takes_its_time_is_not_ended() {
    let pace = Duration::from_millis(30);
    let (path, shelf) = (folder("slow").join("host.sock"), Shelf::new(false));
    let _host = Listener::listen(&Handle::current(), &path, shelf.clone(), None, quiet()).unwrap();
    let desk = Arc::new(Desk::default());
    let links = Links::impatient(Handle::current(), desk.clone(), quiet(), pace);
    links.set_endpoints(vec![Endpoint { id: "one".to_owned(), socket: path }]);
    until("it is linked", || !desk.up.lock().is_empty()).await;
    let call = desk.call(Bytes::from_static(b"two"));
    tokio::time::sleep(20 * pace).await;
    assert_eq!(desk.answered(), 0, "its link answers for it");
    shelf.model.answer_all();
    until("the call is answered", || desk.answered() == 1).await;
    assert_eq!(desk.end(call).unwrap(), "two");
}

/// The same of a gateway: what it looked at is the host's again.
#[tokio::test]
async fn a_gateway_is_dead_when_its_process_is() {
    let path = folder("orphaned").join("host.sock");
    let (arena, shelf) = (Arena::new(ARENA).unwrap(), Shelf::new(true));
    let host = Listener::listen(&Handle::current(), &path, shelf, Some(arena.clone()), quiet()).unwrap();
    let mut gateway = start_as("gateway_process", &path);
    until("it looks at six answers", || arena.free_bytes() <= ARENA - 600_000).await;
    let sockets = gateway.copies();
    gateway.kill();
    until("the link is gone", || host.gateways() == 0 && arena.free_bytes() == ARENA).await;
    drop(sockets);
}

/// Not a test either: a gateway that sends large calls, looks at half of the answers for ever, and waits for the rest.
#[tokio::test]
#[ignore = "the gateway's part of the test below, which starts it in a process of its own"]
async fn gateway_process() {
    let Some(path) = std::env::var_os(SOCKET) else { return };
    let desk = Arc::new(Desk::default());
    let links = Links::new(Handle::current(), desk.clone(), Some(Arena::new(ARENA).unwrap()), quiet());
    links.set_endpoints(vec![Endpoint { id: "one".to_owned(), socket: path.into() }]);
    until("the carrier is up", || !desk.up.lock().is_empty()).await;
    for _ in 0..6 {
        desk.call(Bytes::from(vec![7; 100_000]));
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_gateway_gives_back_what_it_looked_at() {
    let path = folder("gateway").join("host.sock");
    let (arena, shelf) = (Arena::new(ARENA).unwrap(), Shelf::new(false));
    let host =
        Listener::listen(&Handle::current(), &path, shelf.clone(), Some(arena.clone()), quiet()).unwrap();
    for _ in 0..3 {
        let mut gateway = start_as("gateway_process", &path);
        until("the host has its calls", || shelf.model.holds() == 6).await;
        let answered: Vec<_> = shelf.model.held.lock().drain(..3).collect();
        answered.into_iter().for_each(|call| shelf.model.answer(call));
        assert!(arena.free_bytes() <= ARENA - 300_000, "three answers are looked at");
        gateway.kill();
        until("the link is gone", || host.gateways() == 0 && arena.free_bytes() == ARENA).await;
        let inputs = std::mem::take(&mut *shelf.model.held.lock());
        assert_eq!(shelf.model.cancelled.lock().drain(..).count(), 3, "nobody waits for the others");
        assert!(inputs.iter().all(|call| call.inputs[0].data.iter().all(|byte| *byte == 7)), "still mapped");
        inputs.into_iter().for_each(|call| shelf.model.answer(call));
        assert_eq!(arena.free_bytes(), ARENA, "an answer to nobody takes no memory");
    }
}
