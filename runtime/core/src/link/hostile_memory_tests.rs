//! Peers that pass memory which could change under our eyes, or is none: they are not linked, what they passed is
//! closed, and everybody else is served.

use super::{
    gateway::{Endpoint, Links},
    host::Listener,
    testing::{
        Desk, Lines, Shelf, folder,
        frames::{hello, infer, pass, tensor},
        played::{joined, send, until_frames},
        quiet, until,
    },
};
use crate::wire::{frame::Kind, frame_encode::Bytes};
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;

const LEN: u64 = 8192;

fn memory(len: u64, seals: SealFlags) -> OwnedFd {
    let memory = rustix::fs::memfd_create("lies", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&memory, len).unwrap();
    rustix::fs::fcntl_add_seals(&memory, seals).unwrap();
    memory
}

/// How often this process has this very file open.
fn open(file: &OwnedFd) -> usize {
    let same = |entry: std::io::Result<std::fs::DirEntry>| {
        let about = rustix::fs::stat(entry.unwrap().path()).ok()?;
        let wanted = rustix::fs::fstat(file).unwrap();
        (about.st_dev == wanted.st_dev && about.st_ino == wanted.st_ino).then_some(())
    };
    std::fs::read_dir("/proc/self/fd").unwrap().filter_map(same).count()
}

/// Name, what is passed with the first and with the second half of the HELLO, what it announces, and why it is
/// refused.
type Case = (&'static str, Vec<OwnedFd>, Vec<OwnedFd>, u64, &'static str);

/// `folder` is the test's own: nobody else has it open.
fn cases(folder: &Path) -> Vec<Case> {
    let (shrink, grow, seal) = (SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL);
    let fixed = shrink | grow | seal;
    let good = || memory(LEN, fixed);
    let file = OwnedFd::from(File::create(folder.join("file")).unwrap());
    let one = |memory: OwnedFd| vec![memory, OwnedFd::from(std::io::pipe().unwrap().1)];
    // A file of a tmpfs has seals, and not the right ones; any other has none.
    let unsealed = rustix::fs::fcntl_get_seals(&file).map_or("Invalid argument", |_| "resized");
    let (pipe, socket) = (std::io::pipe().unwrap(), std::os::unix::net::UnixStream::pair().unwrap());
    vec![
        ("no seals", one(memory(LEN, SealFlags::empty())), vec![], LEN, "resized"),
        ("it may shrink", one(memory(LEN, grow | seal)), vec![], LEN, "resized"),
        ("it may grow", one(memory(LEN, shrink | seal)), vec![], LEN, "resized"),
        ("smaller than announced", one(memory(4096, fixed)), vec![], LEN, "passed 4096"),
        ("larger than announced", one(memory(3 * 4096, fixed)), vec![], LEN, "passed 12288"),
        ("not announced", one(good()), vec![], 0, "announced 0 bytes of memory and passed 8192"),
        ("far too much announced", one(good()), vec![], u64::MAX, "passed 8192"),
        ("nothing passed", vec![], vec![], LEN, "passed none"),
        ("a file", one(file), vec![], LEN, unsealed),
        ("a folder", one(File::open(folder).unwrap().into()), vec![], LEN, "Invalid argument"),
        ("a pipe", one(pipe.0.into()), vec![], LEN, "Invalid argument"),
        ("a socket", one(socket.0.into()), vec![], LEN, "Invalid argument"),
        ("no leash", vec![good()], vec![], LEN, "passed one descriptor where two are due"),
        ("three at once", one(good()).into_iter().chain([good()]).collect(), vec![], LEN, "more than two"),
        ("many at once", (0..8).map(|_| good()).collect(), vec![], LEN, "more than two descriptors"),
        ("one after the others", one(good()), vec![good()], LEN, "more than two descriptors"),
    ]
}

fn borrowed(list: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    list.iter().map(AsFd::as_fd).collect()
}

/// Says the HELLO of a case.
fn say(socket: &UnixStream, (_, first, second, announced, _): &Case) {
    let mut bytes = hello(*announced, &[2]);
    let rest = bytes.split_off(bytes.len() / 2);
    pass(socket, &bytes, &borrowed(first));
    pass(socket, &rest, &borrowed(second));
}

async fn refuses(case: &Case, lines: &Lines, before: usize) {
    let (name, first, second, _, why) = case;
    until(name, || lines.count(why) > before).await;
    let kept = || first.iter().chain(second).any(|passed| open(passed) > 1);
    until("what was passed is closed", || !kept()).await;
}

#[tokio::test]
async fn a_gateway_that_passes_the_wrong_memory_is_not_linked() {
    let folder = folder("pass-gateway");
    let path = folder.join("host.sock");
    let lines = Lines::default();
    let host = Listener::listen(&Handle::current(), &path, Shelf::new(true), None, lines.log()).unwrap();
    for case in cases(&folder) {
        let before = lines.count(case.4);
        let socket = UnixStream::connect(&path).await.unwrap();
        socket.writable().await.unwrap();
        say(&socket, &case);
        refuses(&case, &lines, before).await;
        let mut well = joined(&path).await;
        send(&well, &infer(1, &[tensor(0, Bytes::Inline(&[1; 4]))]));
        until_frames(&mut well, Kind::Answer, 1).await;
        drop(well);
        until(case.0, || host.gateways() == 0).await;
    }
}

#[tokio::test]
async fn a_host_that_passes_the_wrong_memory_is_not_linked() {
    let folder = folder("pass-host");
    let well = folder.join("well.sock");
    let _host = Listener::listen(&Handle::current(), &well, Shelf::new(true), None, quiet()).unwrap();
    for (at, case) in cases(&folder).into_iter().enumerate() {
        let path = folder.join(format!("{at}.sock"));
        let (desk, lines) = (Arc::<Desk>::default(), Lines::default());
        let links = Links::new(Handle::current(), desk.clone(), None, lines.log());
        let listener = UnixListener::bind(&path).unwrap();
        let end = |id: &str, socket: &Path| Endpoint { id: id.to_owned(), socket: socket.to_owned() };
        links.set_endpoints(vec![end("well", &well), end("bad", &path)]);
        let (socket, _) = listener.accept().await.unwrap();
        socket.writable().await.unwrap();
        say(&socket, &case);
        refuses(&case, &lines, 0).await;
        until("the other is linked", || desk.up.lock().len() == 1).await;
        let call = desk.call(vec![1; 4].into());
        until(case.0, || desk.answered() == 1).await;
        assert_eq!(desk.end(call).unwrap(), vec![1; 4], "{}", case.0);
    }
}

/// Only with a HELLO is there anything to pass.
#[tokio::test]
async fn a_descriptor_that_comes_later_is_closed() {
    let path = folder("pass-later").join("host.sock");
    let shelf = Shelf::new(false);
    let host = Listener::listen(&Handle::current(), &path, shelf.clone(), None, quiet()).unwrap();
    let socket = UnixStream::connect(&path).await.unwrap();
    socket.writable().await.unwrap();
    pass(&socket, &hello(0, &[]), &[]);
    until("it is linked", || host.gateways() == 1).await;
    let late = memory(LEN, SealFlags::empty());
    pass(&socket, &infer(1, &[tensor(0, Bytes::Inline(&[1; 4]))]), &[late.as_fd()]);
    until("the host has the call", || shelf.model.holds() == 1).await;
    assert_eq!(open(&late), 1);
}
