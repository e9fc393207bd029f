"""Bugs in whose turn it is in a sequence, in which host has it, and in which rows are whose."""

from typing import Final

from tests.planted.bugs import CORE, Bug

SEQUENCES: Final = [
    Bug(
        "sequences: who comes behind the end goes on",
        f"{CORE}/decide/slots.rs",
        "if goes_on || one.start {",
        "if true || one.start {",
        "decide::slots",
    ),
    Bug(
        "sequences: a new beginning finds what was kept",
        f"{CORE}/decide/slots.rs",
        "if !start {",
        "if !start || Arc::strong_count(&held.state) > 0 {",
        "decide::slots",
    ),
    Bug(
        "sequences: a quiet one is forgotten a moment late",
        f"{CORE}/decide/slots.rs",
        "if since.plus(self.idle) > now {",
        "if since.plus(self.idle) >= now {",
        "decide::slots",
    ),
    Bug(
        "sequences: a start that nobody ran leaves its slot taken",
        f"{CORE}/decide/slots.rs",
        "Over::Ran { end: true } | Over::Left { start: true }",
        "Over::Ran { end: true }",
        "decide::slots",
    ),
    Bug(
        "sequences: what a host was lost with goes on in another",
        f"{CORE}/decide/affinity.rs",
        "let goes_on = !end && is_there(known.at, hosts);",
        "let goes_on = !end;",
        "decide::affinity",
    ),
    Bug(
        "sequences: those that begin go before those at work",
        f"{CORE}/decide/affinity.rs",
        "later.values_mut().chain(first.values_mut())",
        "first.values_mut().chain(later.values_mut())",
        "decide::affinity",
    ),
    Bug(
        "sequences: those that begin fill the window",
        f"{CORE}/gateway/queue/carriers.rs",
        "begins.is_some_and(is_full)",
        "begins.is_some_and(|_| false && is_full(Rows::ZERO))",
        "gateway::tests::affinity",
    ),
    Bug(
        "sequences: each answer ends one",
        f"{CORE}/gateway/queue/affinity.rs",
        "affinity.over(&one.id, one.end && *ran, places, now)",
        "affinity.over(&one.id, *ran, places, now)",
        "gateway::tests::affinity",
    ),
    Bug(
        "sequences: a server that ends takes new ones",
        f"{CORE}/gateway/ending.rs",
        "correlation.is_none_or(|one| one.start)",
        "correlation.is_none()",
        "gateway::tests::affinity",
    ),
    Bug(
        "sequences: one that is late keeps the others waiting",
        f"{CORE}/host/room.rs",
        "self.leave_slot(late, now);",
        "",
        "host::expiry",
    ),
    Bug(
        "sequences: the window has no rows for those at work",
        f"{CORE}/host/room/limits.rs",
        "rows.saturating_add(self.slots())",
        "rows",
        "host::expiry",
    ),
    Bug(
        "sequences: each slot gets the first request",
        f"{CORE}/host/by_slot.rs",
        "*owner = at;",
        "*owner = at.min(0);",
        "host::expiry",
    ),
    Bug(
        "sequences: answers of slots are cut as if there were no gaps",
        f"{CORE}/host/settle.rs",
        "run.seated.row(at).unwrap_or(row)",
        "run.seated.row(at).map_or(row, |_| row)",
        "host::expiry",
    ),
    Bug(
        "sequences: one begins at a host that fails run after run",
        f"{CORE}/decide/rendezvous.rs",
        "(place.trusted, score(id, place.key))",
        "score(id, place.key)",
        "affinity::what_begins",
    ),
    Bug(
        "sequences: who waited in a slot and left is looked for there for ever",
        f"{CORE}/decide/slots.rs",
        "        if is_last {\n            self.queued.remove(&slot);\n        }\n",
        "        let _ = (slot, is_last);\n",
        "decide::slots",
    ),
    Bug(
        "sequences: who leaves in the middle stays where it waited",
        f"{CORE}/decide/affinity.rs",
        "known.behind.take(|(other, _)| *other == rank)",
        "known.behind.take(|_| false)",
        "decide::affinity",
    ),
    Bug(
        "sequences: what follows a beginning that was taken back goes on with what was before",
        f"{CORE}/decide/behind.rs",
        "let lost = if one.start { self.take_goers_on(at) } else { Vec::new() };",
        "let lost = Vec::new();",
        "decide::",
    ),
    Bug(
        "sequences: a beginning that was refused leaves what was before",
        f"{CORE}/gateway/queue/submit.rs",
        "service.submit(pending, now).map_err(|(pending, fault)| {\n"
        "            service.not_begun(&pending.running.contract, &pending.parameters);\n",
        "service.submit(pending, now).map_err(|(pending, fault)| {\n",
        "apart::a_first_request",
    ),
    Bug(
        "suspects: two that are apart run in one host",
        f"{CORE}/gateway/queue/carriers.rs",
        "Need::Apart(rows) => !self.apart.goes_on && ",
        "Need::Apart(rows) => ",
        "gateway::tests::apart",
    ),
    Bug(
        "suspects: who waits to be apart keeps the others waiting",
        f"{CORE}/gateway/queue/floor.rs",
        "if matches!(pending.need(), Need::Apart(_)) { &mut self.aside } else { &mut self.queue }",
        "let _ = Need::Apart(pending.rows);\n        &mut self.queue",
        "gateway::tests::apart",
    ),
    Bug(
        "suspects: who waits is suspected for ever",
        f"{CORE}/gateway/queue/suspects.rs",
        "if self.epoch == epoch && self.until.is_none_or(|until| now < until) {",
        "if self.epoch == epoch {",
        "gateway::tests::apart",
    ),
    Bug(
        "sequences: one that is found late is taken out alone",
        f"{CORE}/gateway/queue/affinity.rs",
        "let (taken, lost) = affinity.remove(&id, rank, &places, now);",
        "let taken = affinity.pop(*host, passed).filter(|one| one.rank == rank);\n"
        "                    let taken = taken.map(|one| one.item);\n"
        "                    let lost = affinity.over(&id, false, &places, now);",
        "apart::a_first_request_that_is_late",
    ),
    Bug(
        "suspects: in a sequence they keep the others waiting",
        f"{CORE}/gateway/queue/affinity.rs",
        "let Need::Apart(_) = need else { break };",
        "let Need::Alone(_) = need else { break };",
        "gateway::tests::apart",
    ),
]
