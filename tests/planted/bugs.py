"""Bugs that somebody could write, each an edit of one file, and the tests that have to find it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CORE: Final = "runtime/core/src"
#: `cargo test` filters.
SIMULATION: Final = "simulation::whatever_happens"


@dataclass(frozen=True)
class Bug:
    """An edit that must be found."""

    name: str
    file: str
    #: Stands exactly once in the file.
    old: str
    new: str
    #: Which test of the core finds it.
    found_by: str = SIMULATION

    @property
    def finder(self) -> str:
        """Return what kind of test finds it."""
        if self.found_by.endswith("models"):
            return "loom"
        kinds = {"simulation": "simulation", "fuzzing": "fuzzing"}
        return kinds.get(self.found_by.partition("::")[0], "a test")

    def plant(self, tree: Path) -> None:
        """Edit the file below `tree`.

        Raises:
            ValueError: the code has changed and the bug with it.
        """
        path = tree / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            times = text.count(self.old)
            raise ValueError(
                f"{self.name}: {self.file} has the text to replace {times} times: {self.old!r}"
            )
        path.write_text(text.replace(self.old, self.new))


BUGS: Final = [
    Bug(
        "double settle: a reply that was given is given again when it is dropped",
        f"{CORE}/base/call.rs",
        "    pub fn settle(mut self, outcome: Outcome) {\n"
        "        if let Some(outlet) = self.outlet.take() {",
        "    pub fn settle(self, outcome: Outcome) {\n"
        "        if let Some(outlet) = self.outlet.clone() {",
    ),
    Bug(
        "lost wake-up: a call that was appended is not said to the link's task",
        f"{CORE}/link/gateway/slot.rs",
        "                drop(flights);\n                outbox.nudge();\n",
        "                drop(flights);\n",
    ),
    Bug(
        "early free: an answer says that its inputs are looked at no more, while they are",
        f"{CORE}/link/host/calls.rs",
        "taken.inputs.as_ref().is_none_or(|inputs| inputs.is_looked())",
        "taken.inputs.as_ref().is_none_or(|inputs| inputs.is_looked() || true)",
        "link::host::hearing::models",
    ),
    Bug(
        "early free: a host forgets that a gateway looks at its outputs",
        f"{CORE}/link/host/calls.rs",
        "            calls.lent.insert(number, keep);",
        "            calls.lent.insert(number, Lent::new());\n            drop(keep);",
    ),
    Bug(
        "early free: a gateway forgets at the end of a link that the host runs on what it was sent",
        f"{CORE}/link/gateway/mod.rs",
        "    if lent.is_empty() && mapped.is_empty() {\n        return;\n    }\n",
        "    if !lent.is_empty() {\n        return;\n    }\n",
    ),
    Bug(
        "early free: a host forgets at the end of a link that the gateway looks at its outputs",
        f"{CORE}/link/host/session.rs",
        "        self.heard_the_last();\n        self.regions.forget_all();\n",
        "        self.forget_lent();\n        self.regions.forget_all();\n",
    ),
    Bug(
        "late cancel: a running call that is cancelled gets no terminal frame any more",
        f"{CORE}/link/host/calls.rs",
        "self.calls.lock().running.get(&number).map(|taken| Arc::clone(&taken.carrier))",
        "self.calls.lock().running.remove(&number).map(|taken| Arc::clone(&taken.carrier))",
    ),
    Bug(
        "late cancel: a caller that leaves takes its call out of the flights before it has landed",
        f"{CORE}/gateway/queue/flights.rs",
        "        let flight = shard.get_mut(&call)?;\n",
        "        let mut gone = shard.remove(&call)?;\n        let flight = &mut gone;\n",
    ),
    Bug(
        "wrong epoch: an older table replaces a newer one",
        f"{CORE}/decide/policy.rs",
        "if self.epoch > held.epoch || self == held {",
        "if self.epoch != held.epoch || self == held {",
    ),
    Bug(
        "a credit never returned: rows of a call that expired in the host",
        f"{CORE}/host/room.rs",
        "            self.rows = self.rows.minus(late.rows);\n",
        "            let _ = late;\n",
    ),
    Bug(
        "a credit never returned: rows of a call that is tried again",
        f"{CORE}/gateway/queue/settle.rs",
        "            let left_out = floor.carriers.give_back(landed.back, landed.sign, now);\n",
        "            let left_out = again.is_none().then(|| {\n"
        "                floor.carriers.give_back(landed.back, landed.sign, now)\n"
        "            }).flatten();\n",
        "gateway::tests::loss::who_is_tried_again",
    ),
    Bug(
        "a credit never returned: rows of a call whose model raised",
        f"{CORE}/link/host/calls.rs",
        "        taken.account.give_back(taken.rows);\n",
        "        if outcome.result.is_ok() {\n"
        "            taken.account.give_back(taken.rows);\n"
        "        }\n",
        "link::conservation_tests",
    ),
    Bug(
        "a call that a host had read counts as never started",
        f"{CORE}/link/gateway/flights.rs",
        "if self.end > written",
        "if self.end >= written",
    ),
    Bug(
        "what must not run twice runs again after a crash",
        f"{CORE}/decide/retry.rs",
        "Phase::Started if tried.repeatable && !tried.begun && fault.kind",
        "Phase::Started if !tried.begun && fault.kind",
    ),
    Bug(
        "rows of a neighbour: whoever was refused moves the others up",
        f"{CORE}/host/settle.rs",
        "        row = rows.end;\n",
        "        row = if seat.refused.is_some() { rows.start } else { rows.end };\n",
    ),
    Bug(
        "a drain that does not wait for calls on their way",
        f"{CORE}/host/versions.rs",
        "door.wait_for_the_last(until)",
        "door.wait_for_the_last(until) || true",
    ),
    Bug(
        "a hang: a batch that was given up keeps its rows",
        f"{CORE}/host/room.rs",
        "            self.rows = self.rows.minus(hung.batch.rows());\n",
        "",
        "host::watch",
    ),
    Bug(
        "a hang: the model is given more, while it is in the batch that was given up",
        f"{CORE}/host/runs.rs",
        "        self.hangs |= !given_up.is_empty();\n",
        "",
        "host::watch",
    ),
    Bug(
        "a hang: who waits for the model counts as being in it",
        f"{CORE}/host/runs.rs",
        "            false => Stage::Waiting,",
        "            false => Stage::Inside(now),",
        "host::watch",
    ),
    Bug(
        "lanes: who is launched behind another has the device from then on",
        f"{CORE}/host/runs.rs",
        "        {\n            run.stage.restart(now);\n        }\n        since",
        "        {\n            let _ = run;\n        }\n        since",
        "host::runs",
    ),
    Bug(
        "lanes: a launched batch has left the device",
        f"{CORE}/host/runs.rs",
        "            Stage::Inside(since) | Stage::Launched(since) => Some(since),\n",
        "            Stage::Inside(since) => Some(since),\n"
        "            Stage::Launched(_) => None,\n",
        "host::runs",
    ),
    Bug(
        "lanes: who finishes a batch is not watched",
        f"{CORE}/host/runs.rs",
        "            | Stage::Finishing(since) => Some(since),\n"
        "            Stage::Waiting | Stage::Left",
        "            => Some(since),\n"
        "            Stage::Waiting | Stage::Finishing(_) | Stage::Left",
        "host::runs",
    ),
    Bug(
        "a lost device: who waits for it is not sent elsewhere",
        f"{CORE}/host/attend.rs",
        "        // Before their answers, on which they may be sent to whoever is listed.\n"
        "        self.abandon(intake);\n",
        "",
        "host::leaving",
    ),
    Bug(
        "a hang: a version that was idle is watched no more",
        f"{CORE}/host/watch.rs",
        "        state.watched = next.is_some();\n",
        "",
        "host::watch",
    ),
    Bug(
        "a poison: who waits is not judged anew",
        f"{CORE}/gateway/queue/service.rs",
        ".or_else(|| pending.judge(&self.around.suspects, now))",
        "",
        "gateway::tests::poison",
    ),
]
