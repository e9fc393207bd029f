"""What a run on Ray does on the way to what is wanted, as gateways, hosts and Serve come along."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.test_serve_decisions import version

from headrace.control.demand import Demand, Usage
from headrace.control.engine import Assignment
from headrace.control.reconcile import DRAIN_S
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version
from headrace.serve import fleet
from headrace.serve.accounts import Accounts, Senses
from headrace.serve.crew import Crew
from headrace.serve.plan import Group
from headrace.serve.steps import Hands, Steps

SHARED: dict[str, Any] = {"isolation": "shared"}
ONE, TWO = version("a", 1), version("a", 2)
FIRST, SECOND = version("b", 1, **SHARED), version("c", 1, **SHARED)


class Run:
    """A run whose world does what a test says."""

    def __init__(self, *versions: Version, demand: Demand | None = None) -> None:
        self.did: list[str] = []
        self.crew = Crew(versions, cpus=2, demand=demand)
        self.applications = {one.application for one in self.crew.groups}
        self.calls: dict[str, int] | None = {}
        self.standings: dict[str, Standing] = {}
        self.now = 0.0
        #: Serve's controller is away.
        self.away = False
        self.accounts = Accounts(self.crew, Senses(lambda *_: None, lambda: 0))
        hands = Hands(
            start=self.start,
            end=self.end,
            join=self.join,
            leave=lambda one: self.did.append(f"leave {one.label}"),
            used=self.used,
        )
        began = [Assignment(one) for one in versions]
        self.steps = Steps(self.crew, self.accounts, hands, began, lambda: self.now)
        self.sequence = 1
        self.acknowledged = 1

    def used(self) -> dict[str, Usage] | None:
        if self.calls is None:
            return None
        return {label: Usage(calls, self.now, calls) for label, calls in self.calls.items()}

    def start(self, groups: Sequence[Group]) -> None:
        if self.away:
            raise LookupError("no controller")
        self.did.append(f"start {' '.join(one.application for one in groups)}")
        self.applications |= {one.application for one in groups}

    def end(self, group: Group) -> None:
        self.did.append(f"end {group.application}")

    def join(self, one: Version) -> None:
        runs = self.crew.group(Group((one,)).label) is not None
        self.crew.put(one)
        if runs:
            self.did.append(f"join {one.label}")

    def take(self, *wanted: Version | Assignment, acknowledge: bool = True) -> list[str]:
        """Look once; what was done by then."""
        began = len(self.did)
        asked = [Assignment(one) if isinstance(one, Version) else one for one in wanted]
        applications = {name: fleet.Application("RUNNING") for name in self.applications}
        self.steps.take(asked, applications, self.acknowledged, self.sequence + 1, self.standings)
        # A table is published after each look.
        self.sequence += 1
        if acknowledge:
            self.acknowledged = self.sequence
        return self.did[began:]

    def held(self) -> list[str]:
        return [one.label for one, _ in self.crew.members]


def test_a_version_is_started_beside_those_that_serve() -> None:
    run = Run(ONE)
    assert run.take(ONE) == []
    assert run.take(ONE, TWO) == ["start host-a-2"]
    assert run.take(ONE, TWO) == []
    assert run.held() == ["a/1", "a/2"]


def test_one_ends_once_every_gateway_has_the_table_and_nobody_waits_for_it() -> None:
    run = Run(ONE, TWO)
    assert run.take(TWO, acknowledge=False) == []
    assert run.steps.quiet == {"a/1"}
    assert run.take(TWO) == [], "a gateway may still send calls to it"
    run.calls = {"a/1": 1}
    assert run.take(TWO) == []
    run.calls = None
    assert run.take(TWO) == [], "no gateway says that nobody waits"
    run.calls = {}
    assert run.take(TWO) == ["end host-a-1"]
    assert run.take(TWO) == []
    assert run.held() == ["a/1", "a/2"], "Serve still has its hosts"
    run.applications.discard("host-a-1")
    assert run.take(TWO) == []
    assert run.held() == ["a/2"]


def test_one_without_hosts_has_ended_once_no_gateway_has_it() -> None:
    elsewhere = replace(version("a", 3), backend="upstream")
    run = Run(ONE)
    assert run.take(ONE, elsewhere) == [], "Serve has nothing to do with it"
    assert run.take(ONE, elsewhere) == []
    assert run.held() == ["a/1", "a/3"]
    run.take(ONE)
    assert run.take(ONE, acknowledge=False) == []
    assert run.crew.leaving == {"a/3"}
    run.take(ONE, acknowledge=False)
    assert run.held() == ["a/1", "a/3"], "a gateway still carries it"
    run.acknowledged = run.sequence
    run.take(ONE)
    assert run.held() == ["a/1"]


def test_who_never_finishes_ends_all_the_same() -> None:
    run = Run(ONE, TWO)
    run.take(TWO)
    run.calls = {"a/1": 1}
    run.now = DRAIN_S - 1
    assert run.take(TWO) == []
    run.now = DRAIN_S
    assert run.take(TWO) == ["end host-a-1"]


def test_who_is_wanted_again_before_his_end_goes_on() -> None:
    run = Run(ONE, TWO)
    run.take(TWO, acknowledge=False)
    assert run.take(ONE, TWO) == []
    assert run.steps.quiet == frozenset()
    assert run.take(ONE, TWO) == []


def test_what_is_asked_for_anew_goes_first_and_then_comes_again() -> None:
    run = Run(ONE)
    again = Assignment(ONE, asked=1)
    run.take(again)
    assert run.take(again) == ["end host-a-1"]
    assert run.take(again) == []
    run.applications.discard("host-a-1")
    run.take(again)
    assert run.held() == []
    assert run.take(again) == ["start host-a-1"]


def test_what_serve_did_not_hear_is_said_again() -> None:
    run = Run(ONE)
    run.away = True
    with pytest.raises(LookupError):
        run.take(ONE, TWO)
    run.away = False
    assert run.take(ONE, TWO) == ["start host-a-2"]


def test_versions_join_a_process_and_leave_it_and_the_last_one_takes_it_along() -> None:
    run = Run(FIRST)
    run.accounts.hear("shared", {"event": "here", "pid": 7})
    assert run.take(FIRST, SECOND) == ["join c/1"]
    for one in (FIRST, SECOND):
        run.accounts.hear("shared", moved(one, "ready"))
    run.take(SECOND)
    assert run.take(SECOND) == ["leave b/1"]
    assert run.crew.leaving == {"b/1"}
    assert run.take(SECOND) == []
    assert run.held() == ["b/1", "c/1"], "the process has not said that it is gone"
    run.accounts.hear("shared", moved(FIRST, "gone"))
    run.take(SECOND)
    assert run.held() == ["c/1"]
    run.take()
    assert run.take() == ["end shared"]
    # Another is to be of that group: it waits until the process is gone.
    assert run.take(FIRST) == []
    run.accounts.hear("shared", {"event": "gone", "pid": 7})
    run.applications.discard("shared")
    run.take(FIRST)
    assert run.take(FIRST) == ["start shared"]
    assert run.held() == ["b/1"]


def moved(one: Version, state: str) -> dict[str, Any]:
    return {"event": "moved", "version": one.label, "state": state, "reason": "", "pid": 7}


def test_of_more_versions_than_may_be_in_memory_one_comes_once_another_is_gone() -> None:
    assignments = [Assignment(FIRST), Assignment(SECOND)]
    demand = Demand(1, lambda: run.now if run else 0.0)
    run: Run | None = None
    assert demand.carried(assignments, {}, {}, {}) == assignments[:1]
    run = Run(FIRST, demand=demand)
    assert (run.take(*assignments), run.held()) == ([], ["b/1"])
    assert demand.standby(assignments)["c/1"].state is State.STANDBY
    ready = {"b/1": Standing(State.READY, "")}
    run.calls = {"b/1": 1, "c/1": 1}
    run.standings = ready
    assert demand.call("c/1")
    assert not demand.call("c/1"), "said once"
    run.now = 0.5
    assert run.take(*assignments) == [], "its turn is not over"
    run.now = 2.0
    assert run.take(*assignments) == []
    assert run.steps.quiet == {"b/1"}
    assert run.take(*assignments) == [], "it has a call left"
    run.calls = {"b/1": 0, "c/1": 1}
    assert run.take(*assignments) == ["end shared"]
    run.applications.clear()
    assert run.take(*assignments) == []
    assert run.take(*assignments) == ["start shared"]
    assert run.held() == ["c/1"]
    assert demand.standby(assignments)["b/1"].state is State.STANDBY
    run.standings = {"c/1": Standing(State.READY, "")}
    run.take(*assignments)
    assert not demand.has_calls
