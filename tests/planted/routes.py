"""Bugs in who gets a request, in limits that change, and in what is told at once."""

from typing import Final

from tests.planted.bugs import CORE, Bug

ROUTES: Final = [
    Bug(
        "hosts: one that fails is not left out",
        f"{CORE}/decide/trust.rs",
        "self.failures >= FAILURES && may_go",
        "self.failures >= FAILURES && may_go && false",
        "gateway::queue::carriers",
    ),
    Bug(
        "hosts: one that fails is left out where all fail",
        f"{CORE}/gateway/queue/carriers.rs",
        "open().any(does_well) && ",
        "",
        "gateway::queue::carriers",
    ),
    Bug(
        "hosts: the callers of one batch count each",
        f"{CORE}/decide/trust.rs",
        "if ns == self.last_failed_ns && self.failures > 0 {",
        "if false && ns == self.last_failed_ns {",
        "decide::trust",
    ),
    Bug(
        "hosts: one that was left out gets all at once when it comes back",
        f"{CORE}/decide/trust.rs",
        "until <= now && calls == 0",
        "until <= now",
        "decide::trust",
    ),
    Bug(
        "hosts: nobody serves where all are left out",
        f"{CORE}/gateway/queue/carriers.rs",
        "(!any_trusted || slot.trust.allows(slot.calls, now))",
        "slot.trust.allows(slot.calls, now)",
        "gateway::queue::carriers",
    ),
    Bug(
        "hosts: how fast each is does not matter",
        f"{CORE}/gateway/queue/carriers.rs",
        "slot.paced.learn(took, usual.usual(rows.into()), now);",
        "let _ = took;",
        "gateway::queue::carriers",
    ),
    Bug(
        "hosts: one that refuses all is thought to be as fast as ever",
        f"{CORE}/gateway/queue/carriers.rs",
        " | Sign::Refused { rows: rows @ 1.., took } = sign {",
        " = sign {",
        "gateway::queue::carriers",
    ),
    Bug(
        "hosts: one that is tried again gets all",
        f"{CORE}/decide/choice.rs",
        "time(Rows::new(running)).abs_diff(ran)",
        "time(Rows::new(running)).saturating_sub(ran)",
        "decide::choice",
    ),
    Bug(
        "limits: what was within a wider window is refused",
        f"{CORE}/host/bounds.rs",
        "self.window = self.window.max(window.rows);",
        "self.window = window.rows;",
        "host::bounds",
    ),
    Bug(
        "limits: a gateway goes on with those that it was told first",
        f"{CORE}/link/gateway/frames.rs",
        "                roster.carrier_changed(id, Arc::clone(&announced.contract), window);",
        "                roster.carrier_window(id, window);",
        "link::tests",
    ),
    Bug(
        "refusals: nobody expects to be overtaken",
        f"{CORE}/decide/admit.rs",
        "let overtaking = COME_AGAIN * load.overtaking;",
        "let overtaking = 0.0 * load.overtaking;",
        "decide::",
    ),
    Bug(
        "refusals: what passes between two batches is in no time",
        f"{CORE}/host/runs.rs",
        "self.ended = ended.filter(|_| self.runs.is_empty());",
        "self.ended = ended.filter(|_| false);",
        "host::runs",
    ),
]
