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
        "if !start || held.begun {",
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
        "let goes_on = held.begun && how",
        "let goes_on = how",
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
        "later.pop_first().or_else(|| first.pop_first())?",
        "first.pop_first().or_else(|| later.pop_first())?",
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
        f"{CORE}/gateway/queue/settle.rs",
        "let end = one.end && ran;",
        "let end = ran;",
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
        "self.leave_slot(late.slot, now);",
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
        "let found = at.and_then(|at| known.behind.remove(at));",
        "let found = at.and(None::<Asked<T>>);",
        "decide::affinity",
    ),
]
