"""What no gateway would take is refused before it is kept: no start could serve with it."""

from typing import Any

import pytest
from tests.unit.desk import Desk

from headrace.errors import Unwanted
from headrace.execution.policy import Division, check

ME: Any = {"who": "me@here", "why": ""}
#: Of the core; nothing in Python counts these.
MOST_PROFILED = 64


@pytest.fixture
def full(desk: Desk) -> Desk:
    """A desk with as many versions as may be watched for drift."""
    desk.watched = {number: {"inputs": ["x"]} for number in range(1, MOST_PROFILED + 2)}
    desk.begin()
    for number in range(2, MOST_PROFILED + 1):
        desk.models["m"] = range(1, number + 1)
        desk.controller.load("m", number, swap=False, **ME)
    desk.models["m"] = range(1, MOST_PROFILED + 2)
    assert len(desk.carried) == MOST_PROFILED
    return desk


def test_one_more_is_refused_in_words_and_nothing_is_changed(full: Desk) -> None:
    before = full.controller.store.journal(1)
    with pytest.raises(
        Unwanted, match=r"nothing was changed.*65 versions are profiled, at most 64"
    ):
        full.controller.load("m", MOST_PROFILED + 1, swap=False, **ME)
    assert len(full.carried) == MOST_PROFILED
    assert full.controller.store.journal(1) == before
    full.models["m"] = range(1, MOST_PROFILED + 1)
    full.begin()
    check({"m": full.controller.wanted()["m"].versions}, full.divisions)
    assert len(full.carried) == MOST_PROFILED


def test_what_arrives_in_the_folder_is_refused_too(full: Desk) -> None:
    with pytest.raises(Unwanted, match="at most 64"):
        full.controller.arrived("m", **ME)
    assert len(full.carried) == MOST_PROFILED


def test_what_a_start_would_add_is_refused_before_it_is_kept(full: Desk) -> None:
    before = full.controller.store.journal(1)
    with pytest.raises(Unwanted, match="at most 64"):
        full.begin()
    assert full.controller.store.journal(1) == before


def test_so_is_what_comes_of_a_model_that_was_away(full: Desk) -> None:
    full.models["n"] = [1]
    full.missing = {"m": "the registry gives no answer"}
    full.begin()
    full.missing, before = {}, full.controller.store.journal(1)
    with pytest.raises(Unwanted, match="at most 64"):
        full.controller.come("m")
    assert (full.carried, full.controller.store.journal(1)) == (["n/1"], before)


@pytest.mark.parametrize(
    ("routes", "mistake"),
    [
        ({"aliases": [{"name": "A", "version": 1}]}, "is no alias"),
        ({"shadows": [{"version": 1, "share": 0}]}, "expected 1 to 10000"),
        ({"sticky": {"fact": {"header": ""}, "salt": "m"}}, "its fact has no name"),
    ],
)
def test_the_core_says_what_is_wrong(routes: dict[str, Any], mistake: str) -> None:
    with pytest.raises(Unwanted, match=mistake):
        check({"m": [1]}, {"m": Division({1: 10_000}, routes)})
    check({"m": [1]}, {"m": Division({1: 10_000})})
