"""Who may be connected to the console, and for how much."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace.console import logbook as logbooks
from headrace.console.board import Status
from headrace.console.logbook import Logbook, TooManyWait
from headrace.console.places import Places
from headrace.execution.voices import Line


class Board:
    def status(self) -> Status:
        return Status("local", {}, [], "")

    def requests(self) -> list[dict[str, Any]]:
        return []


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Logbook]:
    one = Logbook(tmp_path / "logs", None)
    yield one
    one.close()


class Connection:
    """As much of a connection as is needed to end it."""

    def __init__(self) -> None:
        self.ended = False

    def abort(self) -> None:
        self.ended = True


def test_who_is_silent_longest_makes_room_and_who_is_answered_does_not() -> None:
    places = Places(3)
    ours = [Connection() for _ in range(6)]

    def ended() -> list[int]:
        return [at for at, one in enumerate(ours) if one.ended]

    assert [places.enter(one) for one in ours[:3]] == [True] * 3
    places.asks(ours[0])
    assert places.enter(ours[3])
    assert ended() == [1], "silent longest"
    for one in ours[2:4]:
        places.asks(one)
    assert not places.enter(ours[4]), "all are being answered"
    places.waits(ours[2])
    assert places.enter(ours[4])
    assert ended() == [1, 2]
    places.leave(ours[2])
    places.waits(ours[2])
    assert not ours[3].ended
    places.leave(ours[0])
    assert places.enter(ours[5])
    assert ended() == [1, 2]


def test_numbers_have_a_bound(desk: Desk) -> None:
    for query in ("limit=" + "9" * 5000, "after=" + "9" * 5000, "limit=-1", "after=x", "limit=²"):
        answer = ask(desk.sources, "GET", f"/api/logs?{query}")
        assert answer.status == 400, query
        assert len(answer.body["error"]) < 100


def test_only_some_may_wait_for_lines(
    book: Logbook, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbooks, "MOST_WAITING", 1)
    waits = threading.Thread(target=book.since, args=("", 0, 10))
    waits.start()
    while not book._waiting:
        pass
    with pytest.raises(TooManyWait):
        book.since("", 0, 10)
    assert ask(replace(desk.sources, logbook=book), "GET", "/api/logs?after=0").status == 503
    book.take(Line(1, "m/1", "out", "one"))
    waits.join()
    assert book.since("", 0, 10)[1] == 1
