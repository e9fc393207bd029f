"""What an operator's words make of what is wanted."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from headrace.control import moving
from headrace.control import wanted as words
from headrace.control.wanted import Pending, Wanted
from headrace.errors import Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import Standing, State

READY, LOADING, FAILED = State.READY, State.LOADING, State.FAILED


def stand(states: Mapping[int, State]) -> dict[int, Standing]:
    return {version: Standing(state, "so it is") for version, state in states.items()}


def served(*versions: int, **more: object) -> Wanted:
    """As things are where version 1 has all traffic."""
    kept = Wanted("/m", dict.fromkeys(versions, 0), shares={1: WHOLE})
    return replace(kept, **more) if more else kept  # type: ignore[arg-type]


BOTH = served(1, 2)
SWAP = served(1, 2, pending=Pending({2: WHOLE}, frozenset({1})))


@pytest.mark.parametrize(
    ("kept", "folder", "found", "after"),
    [
        (None, "/m", {1, 2}, Wanted("/m", {1: 0, 2: 0})),
        # Another folder's model of the same name.
        (served(1), "/other", {1, 2}, Wanted("/other", {1: 0, 2: 0})),
        # One that nobody has seen yet is loaded, and gets no traffic by itself.
        (served(1), "/m", {1, 2}, served(1, 2)),
        # What was unloaded stays so, until its folder goes.
        (served(1, unloaded=frozenset({2})), "/m", {1, 2}, served(1, unloaded=frozenset({2}))),
        (served(1, unloaded=frozenset({2})), "/m", {1}, served(1)),
        # Who had all traffic is gone: decided anew.
        (BOTH, "/m", {2}, Wanted("/m", {2: 0})),
        # Others share what one had who is gone, as they did.
        (
            served(1, 2, 3, shares={1: 5_000, 2: 1_000, 3: 4_000}),
            "/m",
            {2, 3},
            served(2, 3, shares={2: 2_000, 3: 8_000}),
        ),
        # What waited for a version goes on doing so, if that is there.
        (SWAP, "/m", {1, 2}, SWAP),
        (SWAP, "/m", {1}, served(1)),
        # One that swaps, where somebody has traffic; of several the highest.
        (served(1), "/m", {1: False, 2: True}, SWAP),
        (
            served(1),
            "/m",
            {1: True, 2: True, 3: True},
            served(1, 2, 3, pending=Pending({3: WHOLE}, frozenset({1}))),
        ),
        (Wanted("/m", {1: 0}), "/m", {1: True, 2: True}, Wanted("/m", {1: 0, 2: 0})),
        # How often one was asked for anew is remembered.
        (served(1, versions={1: 3}), "/m", {1}, served(1, versions={1: 3})),
    ],
)
def test_a_run_begins_with_what_was_wanted_as_far_as_it_is_there(
    kept: Wanted | None, folder: str, found: set[int] | dict[int, bool], after: Wanted
) -> None:
    swaps = found if isinstance(found, dict) else dict.fromkeys(found, False)
    assert words.begun(kept, folder, swaps) == after
    # A swap that goes on is as it was; one that begins is as its version says.
    if kept is not SWAP and after.pending is not None:
        first = replace(after, pending=replace(after.pending, old_first=True))
        assert words.begun(kept, folder, swaps, old_first={2, 3}) == first


@pytest.mark.parametrize(
    ("now", "version", "swap", "standing", "after"),
    [
        (served(1), 2, False, None, BOTH),
        (served(1, unloaded=frozenset({2})), 2, False, None, BOTH),
        (served(1), 2, True, None, SWAP),
        (BOTH, 2, True, READY, SWAP),
        # Who has no traffic is not unloaded.
        (
            served(1, 2, 3),
            3,
            True,
            READY,
            served(1, 2, 3, pending=Pending({3: WHOLE}, frozenset({1}))),
        ),
        # It could not be loaded, and is asked for once more.
        (BOTH, 2, False, FAILED, served(1, 2, versions={1: 0, 2: 1})),
        # It waits for its first caller, and is to be there before.
        (BOTH, 2, False, State.STANDBY, served(1, 2, versions={1: 0, 2: 1})),
        (BOTH, 2, False, READY, "version 2 is ready already"),
        (BOTH, 2, False, LOADING, "version 2 is loading already"),
        (served(1), 1, True, READY, "version 1 is ready already"),
        # The first of its model.
        (Wanted("/m"), 1, False, None, Wanted("/m", {1: 0})),
    ],
)
def test_load(
    now: Wanted, version: int, swap: bool, standing: State | None, after: Wanted | str
) -> None:
    one = None if standing is None else Standing(standing, "so it is")
    check(lambda: words.load(now, version, swap=swap, standing=one), after)


@pytest.mark.parametrize(
    ("now", "version", "after"),
    [
        (BOTH, 2, served(1, unloaded=frozenset({2}))),
        (BOTH, 1, "version 1 has 100 % of the traffic: move that first, as with 2=100"),
        (BOTH, 3, "version 3 is not loaded; loaded are 1, 2"),
        # What waited for it waits no more.
        (SWAP, 2, served(1, unloaded=frozenset({2}))),
        # The last one takes its traffic with it.
        (served(1), 1, Wanted("/m", unloaded=frozenset({1}))),
        (Wanted("/m", {1: 0, 2: 0}), 1, Wanted("/m", {2: 0}, frozenset({1}))),
    ],
)
def test_unload(now: Wanted, version: int, after: Wanted | str) -> None:
    check(lambda: words.unload(now, version), after)


def test_a_whole_model_is_unloaded_and_with_it_its_traffic() -> None:
    assert words.unload_all(SWAP) == Wanted("/m", unloaded=frozenset({1, 2}))
    with pytest.raises(Unwanted, match="nothing of it is loaded"):
        words.unload_all(Wanted("/m"))


@pytest.mark.parametrize(
    ("shares", "states", "after"),
    [
        ({2: WHOLE}, {1: READY, 2: READY}, served(1, 2, shares={2: WHOLE})),
        (
            {1: 9_000, 2: 1_000},
            {1: READY, 2: READY},
            served(1, 2, shares={1: 9_000, 2: 1_000}),
        ),
        # Who gets nothing need not be ready.
        ({1: WHOLE, 2: 0}, {1: READY, 2: FAILED}, BOTH),
        # All stays as it is until it is ready.
        ({2: WHOLE}, {1: READY, 2: LOADING}, served(1, 2, pending=Pending({2: WHOLE}))),
        ({2: WHOLE}, {1: READY}, served(1, 2, pending=Pending({2: WHOLE}))),
        ({2: WHOLE}, {1: READY, 2: FAILED}, "version 2 failed: so it is"),
        ({1: 9_000}, {1: READY}, "should add up to 100 %, and none be negative: 1=90"),
        ({1: 11_000, 2: -1_000}, {1: READY, 2: READY}, "none be negative"),
        ({}, {1: READY}, "should add up to 100 %, and none be negative: none"),
        ({3: WHOLE}, {1: READY}, "version 3 is not loaded; loaded are 1, 2"),
    ],
)
def test_split(shares: dict[int, int], states: Mapping[int, State], after: Wanted | str) -> None:
    check(lambda: moving.split(BOTH, shares, stand(states)), after)


@pytest.mark.parametrize(
    ("now", "states", "after", "told"),
    [
        # While somebody is on his way it is not decided who gets all.
        (Wanted("/m", {1: 0, 2: 0}), {1: READY, 2: LOADING}, None, ""),
        (Wanted("/m", {1: 0, 2: 0}), {1: READY}, None, ""),
        (
            Wanted("/m", {1: 0, 2: 0}),
            {1: READY, 2: READY},
            served(1, 2, shares={2: WHOLE}),
            "split 2=100: the highest version that is ready",
        ),
        (Wanted("/m", {1: 0, 2: 0}), {1: READY, 2: FAILED}, BOTH, "split 1=100"),
        (Wanted("/m", {1: 0}), {1: FAILED}, None, ""),
        (BOTH, {1: READY, 2: READY}, None, ""),
        # A host that is lost changes nothing by itself.
        (BOTH, {1: FAILED, 2: READY}, None, ""),
        (SWAP, {1: READY, 2: LOADING}, None, ""),
        (
            SWAP,
            {1: READY, 2: READY},
            Wanted("/m", {2: 0}, frozenset({1}), {2: WHOLE}),
            "split 2=100: ready now; unload 1",
        ),
        (SWAP, {1: READY, 2: FAILED}, BOTH, "version 2 failed: so it is"),
    ],
)
def test_what_follows_by_itself(
    now: Wanted, states: Mapping[int, State], after: Wanted | None, told: str
) -> None:
    found = moving.settle(now, stand(states))
    assert (found and found[0]) == after
    assert told in (found[1] if found else "")


SWAPPED = Wanted("/m", {2: 0}, frozenset({1}), {2: WHOLE})


@pytest.mark.parametrize(
    ("now", "before", "states", "after"),
    [
        # A split, while both are there.
        (served(1, 2, shares={2: WHOLE}), BOTH, {1: READY, 2: READY}, BOTH),
        # What is gone is loaded first, and until then traffic stays where it is.
        (SWAPPED, SWAP, {2: READY}, served(1, 2, shares={2: WHOLE}, pending=Pending({1: WHOLE}))),
        # A load.
        (BOTH, served(1), {1: READY, 2: READY}, served(1, unloaded=frozenset({2}))),
        # An unload.
        (served(1, unloaded=frozenset({2})), BOTH, {1: READY}, BOTH),
        # A swap that still waits.
        (SWAP, served(1), {1: READY, 2: LOADING}, served(1, unloaded=frozenset({2}))),
        # The end of a whole model.
        (
            Wanted("/m", unloaded=frozenset({1})),
            served(1),
            {},
            Wanted("/m", {1: 0}, pending=Pending({1: WHOLE})),
        ),
    ],
)
def test_undo(now: Wanted, before: Wanted, states: Mapping[int, State], after: Wanted) -> None:
    assert moving.undone(now, before, stand(states)) == after


def check(change: Callable[[], Wanted], after: Wanted | str) -> None:
    if isinstance(after, str):
        with pytest.raises(Unwanted) as error:
            change()
        assert after in str(error.value)
    else:
        assert change() == after


NUMBERS = some.integers(1, 4)
FOUND = some.dictionaries(NUMBERS, some.booleans(), min_size=1)
STATES = some.dictionaries(NUMBERS, some.sampled_from(list(State)), max_size=4)


@settings(deadline=None)
@given(some.data())
def test_whatever_is_said_traffic_goes_to_versions_that_are_wanted_and_adds_up(
    data: some.DataObject,
) -> None:
    now = words.begun(None, "/m", data.draw(FOUND))
    for _ in range(data.draw(some.integers(0, 12))):
        before, standings = now, stand(data.draw(STATES))
        version = data.draw(NUMBERS)
        match data.draw(some.sampled_from(["load", "unload", "all", "split", "settle", "begin"])):
            case "load":
                swap, first = data.draw(some.booleans()), data.draw(some.booleans())
                one = standings.get(version)
                load = partial(words.load, version=version, swap=swap, old_first=first)
                now = said(now, partial(load, standing=one))
            case "unload":
                now = said(now, lambda w: words.unload(w, version))  # noqa: B023
            case "all":
                now = said(now, words.unload_all)
            case "split":
                part = data.draw(some.integers(0, WHOLE))
                shares = {version: part, data.draw(NUMBERS): WHOLE - part}
                now = said(now, lambda w: moving.split(w, shares, standings))  # noqa: B023
            case "settle":
                found = moving.settle(now, standings)
                now = found[0] if found else now
            case "begin":
                now = words.begun(now, "/m", data.draw(FOUND))
        assert not set(now.versions) & now.unloaded
        assert set(now.shares or {}) <= set(now.versions)
        assert now.shares is None or sum(now.shares.values()) == WHOLE
        pending = now.pending
        assert pending is None or set(pending.shares) <= set(now.versions)
        # Who has all traffic, and ends for others, is kept until they are there.
        if pending is not None and pending.old_first:
            assert not set(pending.shares) & pending.unload
            assert set(now.shares or {}) <= {*pending.shares, *pending.unload}
        assert words.from_json(now.as_json()) == now
        if now != before:
            back = moving.undone(now, before, standings)
            assert set(back.shares or {}) <= set(back.versions)
            assert set(back.pending.shares if back.pending else {}) <= set(back.versions)


def said(now: Wanted, change: Callable[[Wanted], Wanted]) -> Wanted:
    try:
        return change(now)
    except Unwanted:
        return now
