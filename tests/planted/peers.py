"""Bugs in what the link holds against a peer that dies, stands still, or lies."""

from typing import Final

from tests.planted.bugs import CORE, Bug

PEERS: Final = [
    Bug(
        "host link: what is lent is free before the gateway is gone",
        f"{CORE}/link/host/mod.rs",
        "    match borrower.lets_go(false).await {\n        Ok(()) => session.forget_lent(),",
        "    session.forget_lent();\n"
        "    match borrower.lets_go(false).await {\n        Ok(()) => {}",
        "link::fault_tests",
    ),
    Bug(
        "gateway link: what is lent is kept after the end",
        f"{CORE}/link/gateway/mod.rs",
        "            Ok(()) => drop((lent, mapped)),",
        "            Ok(()) => std::mem::forget((lent, mapped)),",
        "link::fault_tests",
    ),
    Bug(
        "a leash: the death of who holds it is not noticed",
        f"{CORE}/link/leash.rs",
        "            () = self.peer.dead() => Ok(()),",
        "            () = std::future::pending() => Ok(()),",
        "link::kill_tests",
    ),
    Bug(
        "memory that may shrink is taken",
        f"{CORE}/mem/memfd.rs",
        "if !seals.contains(FIXED_SIZE) {",
        "if !seals.intersects(FIXED_SIZE) {",
        "link::hostile_memory_tests",
    ),
    Bug(
        "memory of another length is taken",
        f"{CORE}/mem/memfd.rs",
        "filter(|len| *len > 0 && i64::try_from(*len) == Ok(size))",
        "filter(|len| *len > 0 && i64::try_from(*len).is_ok_and(|len| len <= size))",
        "link::hostile_memory_tests",
    ),
    Bug(
        "our memory can be written by a peer",
        f"{CORE}/mem/memfd.rs",
        "        rustix::fs::fcntl_add_seals(&memory.fd, SealFlags::FUTURE_WRITE)?;\n",
        "",
        "mem::peer",
    ),
    Bug(
        "a third descriptor is taken",
        f"{CORE}/link/handshake.rs",
        "        if passed.len() > PASSED {",
        "        if passed.len() > PASSED + 9 {",
        "link::hostile_memory_tests",
    ),
    Bug(
        "a place may end beyond the memory",
        f"{CORE}/mem/mapping.rs",
        "let start = (range.end <= self.map.len()).then_some(range.start)?;",
        "let start = (range.start <= self.map.len()).then_some(range.start)?;",
        "link::hostile_place_tests",
    ),
    Bug(
        "a release of nothing is fine (host)",
        f"{CORE}/link/host/frames.rs",
        '        lent.ok_or_else(|| Malformed::conduct(format!("a release of call '
        '{call}, which has no memory lent")))',
        "        let _ = lent; Ok(())",
        "link::hostile_place_tests",
    ),
    Bug(
        "a release of nothing is fine (gateway)",
        f"{CORE}/link/gateway/flights.rs",
        "        lent.ok_or_else(|| {\n"
        '            Malformed::conduct(format!("a release of call {number}, which has '
        'no memory lent"))\n'
        "        })",
        "        let _ = lent; Ok(())",
        "link::hostile_place_tests",
    ),
    Bug(
        "elements are parsed where the peer writes",
        f"{CORE}/link/tensors.rs",
        "Place::Arena { offset, len } if datatype == Datatype::Bytes => {",
        "Place::Arena { offset, len } if datatype == Datatype::Bytes && offset == u64::MAX => {",
        "link::hostile_place_tests",
    ),
    Bug(
        "host link: a death is not noticed",
        f"{CORE}/link/host/hearing.rs",
        "            () = self.peer.dead() => true,",
        "            () = std::future::pending() => true,",
        "link::kill_tests",
    ),
]
