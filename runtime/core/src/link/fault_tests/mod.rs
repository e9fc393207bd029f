//! The other process stands still after each step of the protocol, and is killed there, or stopped for a while, or
//! stopped while we leave. Whatever it was: everybody else is served, every call ends once, and memory is ours again
//! as soon as nobody can look at it.

mod of_gateways;
mod of_hosts;

use super::{
    gateway::Endpoint,
    testing::{
        ARENA, actor,
        puppet::{self, GATEWAY, HOST},
    },
};
use crate::mem::arena::Arena;
use bytes::Bytes;
use std::path::Path;

/// What fills the calls of those who are well.
const WELL: u8 = 9;

#[test]
#[ignore = "a puppet's part, for the tests below, which start it in a process of its own"]
fn gateway_puppet() {
    actor::play(GATEWAY);
}

#[test]
#[ignore = "a puppet's part, for the tests below, which start it in a process of its own"]
fn host_puppet() {
    actor::play(HOST);
}

fn one(id: &str, socket: &Path) -> Endpoint {
    Endpoint { id: id.to_owned(), socket: socket.to_owned() }
}

fn is_full_of(fill: u8, bytes: &Bytes) -> bool {
    bytes.iter().all(|byte| *byte == fill)
}

fn lent(arena: &Arena) -> bool {
    arena.free_bytes() < ARENA
}

fn after(steps: usize, of: &[puppet::Step]) -> &'static str {
    let made = |at: usize| of.get(at).map_or("nothing", |step| step.0);
    steps.checked_sub(1).map_or("it began", made)
}
