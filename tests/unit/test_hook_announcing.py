"""What hooks hear of versions, while a server lives."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.desk import Desk

from headrace.cli.tables import hook_lines
from headrace.control.announcing import Announcer
from headrace.control.events import MOST_KEPT, Moved
from headrace.errors import StateInvalid
from headrace.hooks.event import Happened
from headrace.models.lifecycle import Standing, State

PATIENCE_S = 10.0


class Hears:
    """All hooks, without any."""

    def __init__(self) -> None:
        self.told: list[Happened] = []
        self.came = threading.Condition()
        self.fails: Exception | None = None
        self.is_closed = False

    def tell(self, happened: Happened) -> None:
        with self.came:
            self.told.append(happened)
            self.came.notify_all()
            if self.fails is not None:
                raise self.fails

    def wait(self, count: int) -> list[str]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.told) >= count, PATIENCE_S)
        return [f"{one.kind} {one.subject}" for one in self.told]

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def hears() -> Hears:
    return Hears()


@pytest.fixture
def announcing(desk: Desk, hears: Hears, said: list[str]) -> Callable[[], Announcer]:
    def begin() -> Announcer:
        told: Any = hears
        announcer = Announcer(told, desk.controller, lambda label: f"of {label}", said.append)
        announcer.open()
        return announcer

    return begin


def test_versions_that_fail_are_told_from_the_beginning_until_the_end(
    desk: Desk, hears: Hears, announcing: Callable[[], Announcer]
) -> None:
    desk.stand(m={1: State.FAILED})
    announcer = announcing()
    assert hears.wait(1) == ["failed m/1"]
    assert hears.told[0].data["digest"] == "of m/1"
    desk.stand(m={1: State.LOADING})
    desk.stand(m={1: State.FAILED})
    announcer.close()
    # It has failed anew, and what happened before the end is told.
    assert hears.wait(2) == ["failed m/1", "failed m/1"]
    assert hears.is_closed


def test_what_a_start_has_lost_is_told_first(
    desk: Desk, hears: Hears, announcing: Callable[[], Announcer]
) -> None:
    desk.models["m"] = [1, 2]
    desk.begin()
    desk.models["m"] = [1]
    desk.begin()
    announcing().close()
    assert hears.wait(1) == ["lost m/2"]
    assert hears.told[0].data["reason"] == "its folder is gone"


def test_where_more_happens_at_once_than_is_kept_who_failed_is_told_once(
    desk: Desk, hears: Hears, announcing: Callable[[], Announcer]
) -> None:
    desk.stand(m={1: State.FAILED})
    for number in range(MOST_KEPT + 1):
        desk.controller.events.publish(Moved("n", number, Standing(State.READY, "so")))
    announcer = announcing()
    assert hears.wait(1) == ["failed m/1"]
    desk.controller.events.publish(Moved("m", 1, Standing(State.FAILED, "for another reason")))
    desk.controller.events.publish(Moved("n", 1, Standing(State.FAILED, "so")))
    announcer.close()
    assert hears.wait(2) == ["failed m/1", "failed n/1"]


def test_a_hook_that_cannot_be_told_is_said_and_the_next_is_tried(
    desk: Desk, hears: Hears, said: list[str], announcing: Callable[[], Announcer]
) -> None:
    hears.fails = StateInvalid("no room")
    announcer = announcing()
    desk.stand(m={1: State.FAILED})
    hears.wait(1)
    desk.stand(n={1: State.FAILED})
    announcer.close()
    assert hears.wait(2) == ["failed m/1", "failed n/1"]
    assert said == [f"hooks are not told of {one}/1: no room" for one in "mn"]


def test_what_was_not_foreseen_of_one_version_keeps_hooks_from_hearing_of_no_other(
    desk: Desk, hears: Hears, said: list[str], announcing: Callable[[], Announcer]
) -> None:
    hears.fails = RuntimeError("a bug")
    announcer = announcing()
    desk.stand(m={1: State.FAILED})
    hears.wait(1)
    hears.fails = None
    desk.stand(n={1: State.FAILED})
    assert hears.wait(2) == ["failed m/1", "failed n/1"]
    announcer.close()
    (trace,) = said
    assert trace.startswith("hooks: Traceback")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({}, "0 waiting, 3 taken, 0 refused, 0 dropped"),
        (
            {"waiting": 2, "tries": 4, "last_error": "it answered 503"},
            "2 waiting, 3 taken, 0 refused, 0 dropped; 4 tries: it answered 503",
        ),
        (
            {"dropped": 1, "ended": True, "last_error": "it answered 410"},
            "0 waiting, 3 taken, 0 refused, 1 dropped; ended: it answered 410",
        ),
    ],
)
def test_a_person_sees_how_a_hook_stands(state: dict[str, Any], says: str) -> None:
    stands = {"number": 1, "url": "https://a.org/…", "waiting": 0, "taken": 3, "dropped": 0}
    stands |= {"refused": 0, "tries": 0, "last_error": "", "ended": False}
    assert list(hook_lines([stands | state])) == [f"hook 1 (https://a.org/…): {says}"]
