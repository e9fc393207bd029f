//! The process of a puppet, in the hands of a test.

use super::{puppet, until};
use rustix::process::{Pid, Signal};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const SOCKET: &str = "HEADRACE_TEST_SOCKET";

/// Killed when dropped.
#[derive(Debug)]
pub(in crate::link) struct Actor {
    process: Child,
    out: ChildStdout,
    said: String,
    /// That it has made.
    pub(in crate::link) steps: usize,
}

/// What the process runs; nothing in any other.
pub(in crate::link) fn play(steps: &[puppet::Step]) {
    if let Some(path) = std::env::var_os(SOCKET) {
        puppet::play(Path::new(&path), steps);
    }
}

impl Actor {
    /// `part` is the ignored test that calls [`play`].
    pub(in crate::link) async fn start(part: &str, path: &Path) -> Actor {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", part, "--ignored", "--nocapture"])
            .env(SOCKET, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = process.stdout.take().unwrap();
        rustix::io::ioctl_fionbio(&out, true).unwrap();
        let mut actor = Actor { process, out, said: String::new(), steps: 0 };
        actor.until_made(0).await;
        actor
    }

    pub(in crate::link) fn begin_step(&mut self) {
        self.process.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    pub(in crate::link) async fn end_step(&mut self) {
        self.until_made(self.steps + 1).await;
    }

    async fn until_made(&mut self, steps: usize) {
        let line = format!("step {steps}.");
        until(&line, || {
            let mut bytes = [0; 256];
            match self.out.read(&mut bytes) {
                Ok(0) => panic!("the puppet's process ended: {}", self.said),
                Ok(len) => self.said.push_str(&String::from_utf8_lossy(&bytes[..len])),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            self.said.contains(&line)
        })
        .await;
        self.steps = steps;
    }

    pub(in crate::link) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    pub(in crate::link) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
