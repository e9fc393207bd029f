"""A swap whose old version ends before the new one is loaded."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.unit.desk import Desk
from tests.unit.test_wanted import BOTH, SWAP, SWAPPED, check, served, stand

from headrace.control import moving
from headrace.control import wanted as words
from headrace.control.aim import held_back
from headrace.control.traffic import Rule, Traffic, fact
from headrace.control.wanted import Pending, Wanted
from headrace.execution.policy import WHOLE, Division, Epoch, table
from headrace.models.lifecycle import Standing, State

READY, LOADING, FAILED, DRAINING = State.READY, State.LOADING, State.FAILED, State.DRAINING
ME = {"who": "me@here", "why": ""}

ONE = frozenset({1})
TWO = frozenset({2})
FIRST = served(1, 2, pending=Pending({2: WHOLE}, ONE, old_first=True))
BACK = served(1, 2, pending=Pending({1: WHOLE}, TWO, old_first=True))
FAILS = "version 2 failed: so it is"
RULED = Traffic(rules=(Rule(fact("header:a"), "b", 1),))


@pytest.mark.parametrize(
    ("now", "standing", "after"),
    [
        (served(1), None, FIRST),
        # It found no room, and is asked for once more.
        (BOTH, FAILED, replace(FIRST, versions={1: 0, 2: 1})),
        # There is room for both, as it seems.
        (BOTH, READY, SWAP),
        (BOTH, LOADING, SWAP),
        # Nobody has to go.
        (Wanted("/m"), None, Wanted("/m", {2: 0}, pending=Pending({2: WHOLE}))),
        (served(1, traffic=RULED), None, "version 1 is to end first, and the rule header:a=b"),
        # One after the other: nobody serves, so that no other way is left.
        (
            FIRST,
            READY,
            "version 2 is ready already",
        ),
    ],
)
def test_load(now: Wanted, standing: State | None, after: Wanted | str) -> None:
    one = None if standing is None else Standing(standing, "so it is")
    check(lambda: words.load(now, 2, swap=True, old_first=True, standing=one), after)


@pytest.mark.parametrize(
    ("now", "states", "after", "told"),
    [
        (FIRST, {1: READY}, None, ""),
        (FIRST, {1: DRAINING}, None, ""),
        (FIRST, {2: LOADING}, None, ""),
        (FIRST, {2: READY}, SWAPPED, "split 2=100: ready now; unload 1"),
        (
            FIRST,
            {2: FAILED},
            replace(BACK, pending=Pending({1: WHOLE}, TWO, old_first=True, back=FAILS)),
            f"load 1 again: {FAILS}",
        ),
        (BACK, {2: FAILED}, None, ""),
        (BACK, {1: READY}, served(1, unloaded=TWO), "split 1=100: ready now; unload 2"),
        # Nobody is left to go back to.
        (BACK, {1: FAILED}, served(1, unloaded=TWO), "stays as it was: version 1 failed"),
        (
            replace(FIRST, versions={2: 0}, shares=None),
            {2: FAILED},
            Wanted("/m", {2: 0}, frozenset({1})),
            f"stays as it was: {FAILS}",
        ),
    ],
)
def test_what_follows_by_itself(
    now: Wanted, states: Mapping[int, State], after: Wanted | None, told: str
) -> None:
    found = moving.settle(now, stand(states))
    assert (found and found[0]) == after
    assert told in (found[1] if found else "")


@pytest.mark.parametrize(
    ("now", "there", "held"),
    [
        (BOTH, {"m/1", "m/2"}, set()),
        (SWAP, {"m/1", "m/2"}, set()),
        # The new one is loaded once nothing of the old one is left.
        (FIRST, {"m/1"}, {"m/1", "m/2"}),
        (FIRST, {"m/2"}, {"m/1"}),
        (FIRST, set(), {"m/1"}),
        (BACK, {"m/2"}, {"m/1", "m/2"}),
        (BACK, {"other/2"}, {"m/2"}),
    ],
)
def test_who_is_not_carried(now: Wanted, there: set[str], held: set[str]) -> None:
    assert held_back({"m": now}, there) == held


@pytest.mark.parametrize("states", [{1: DRAINING}, {2: LOADING}, {}])
def test_what_is_said_in_the_midst_of_it_loses_nobody_who_waits(
    states: Mapping[int, State],
) -> None:
    standings = stand(states)
    assert words.unload(FIRST, 2) == served(
        1, unloaded=TWO, pending=Pending({1: WHOLE}, TWO, old_first=True)
    )
    assert moving.split(FIRST, {1: WHOLE}, standings) == BACK
    assert moving.undone(FIRST, served(1), standings) == BACK
    # Another one comes instead, after both.
    other = words.load(FIRST, 3, swap=True, standing=None)
    assert other.pending == Pending({3: WHOLE}, frozenset({1, 2}), old_first=True)
    both = moving.split(FIRST, {1: 5_000, 2: 5_000}, standings)
    assert both.pending == Pending({1: 5_000, 2: 5_000}, frozenset(), old_first=True)


def test_who_has_not_begun_to_end_goes_on_at_once() -> None:
    assert moving.undone(FIRST, served(1), stand({1: READY})) == served(1, unloaded=TWO)


def test_what_was_done_so_is_undone_so() -> None:
    back = moving.undone(SWAPPED, FIRST, stand({2: READY}))
    assert back == replace(BACK, shares={2: WHOLE})
    assert words.from_json(back.as_json()) == back


@pytest.mark.parametrize(
    ("now", "version", "state", "ends"),
    [
        (FIRST, 2, State.DECLARED, None),
        (FIRST, 2, READY, None),
        (SWAPPED, 2, READY, READY),
        (FIRST, 2, FAILED, FAILED),
        (replace(BACK, pending=Pending({1: WHOLE}, TWO, True, FAILS)), 2, DRAINING, FAILED),
        (served(1), 2, READY, State.GONE),
    ],
)
def test_how_one_that_was_asked_for_ends(
    now: Wanted, version: int, state: State, ends: State | None
) -> None:
    found = moving.outcome(now, version, Standing(state, "so it is"))
    assert (found and found.state) == ends


@pytest.mark.parametrize("state", [State.DECLARED, LOADING, READY, FAILED])
def test_its_requests_wait_however_it_stands(state: State) -> None:
    # Until it is decided that it goes back, who waits is not to be told that it failed.
    awaits = {"m": Division({2: WHOLE}, awaited=TWO)}
    told = json.loads(table(Epoch(), {"m": stand({2: state})}, divided=awaits))
    (row,) = told["models"]["m"]["versions"]
    assert row["on_demand"]


def test_the_old_one_is_carried_no_more_before_the_new_one_is(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [1, 2]
    desk.controller.load("m", 2, swap=True, old_first=True, who="me", why="")
    assert desk.carried == []
    assert desk.divisions["m"].shares == {2: WHOLE}
    assert desk.divisions["m"].awaited == TWO
    desk.stand(m={1: DRAINING})
    assert desk.carried == []
    rows = {one.version.number: one for one in desk.controller.versions("m")}
    assert rows[2].reason == "is loaded once version 1 has ended"
    del desk.stood["m/1"]
    desk.stand()
    assert desk.carried == ["m/2"]
    rows = {one.version.number: one for one in desk.controller.versions("m")}
    assert rows[1].reason == "has ended for version 2; comes back if that fails"
    # A start in the midst of it goes on with it.
    desk.begin()
    assert (desk.carried, desk.divisions["m"].awaited) == (["m/2"], TWO)
    desk.stand(m={2: FAILED})
    assert (desk.carried, desk.divisions["m"].awaited) == ([], ONE)
    del desk.stood["m/2"]
    desk.stand()
    assert desk.carried == ["m/1"]
    rows = {one.version.number: one for one in desk.controller.versions("m")}
    assert rows[2].standing == Standing(FAILED, "version 2 failed: so it is with 2")
    desk.stand(m={1: READY})
    assert (desk.carried, desk.divisions["m"].awaited) == (["m/1"], frozenset())
    assert desk.shares == {"m": {1: WHOLE}}
