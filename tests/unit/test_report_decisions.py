"""Decisions about reports to a registry: whose turn it is, when again, and which alias moves."""

from collections.abc import Mapping

import pytest
from tests.reports import PLACE, report_of

from headrace.registry.delivering import Outcome, is_database, moved
from headrace.registry.reporting import retry_after_s, soonest
from headrace.registry.spool import Model
from headrace.registry.standing import MOST_PLACES, Record, Records


@pytest.mark.parametrize(
    ("tries", "draw", "seconds"),
    [
        (1, 0.0, 1.0),
        (1, 1.0, 2.0),
        (2, 0.0, 2.0),
        (8, 0.0, 128.0),
        (9, 0.0, 150.0),
        (9, 1.0, 300.0),
        (10**6, 1.0, 300.0),
    ],
)
def test_tries_come_ever_later_and_not_all_at_once(tries: int, draw: float, seconds: float) -> None:
    assert retry_after_s(tries, draw) == seconds


A, B = Model(PLACE, "a"), Model(PLACE, "b")


@pytest.mark.parametrize(
    ("due_s", "turn"),
    [
        ({}, (None, None)),
        ({A: 0.0}, (A, 0.0)),
        ({A: 10.0}, (A, 0.0)),
        ({A: 12.5}, (None, 2.5)),
        ({A: 12.5, B: 11.0}, (None, 1.0)),
        ({A: 12.5, B: 3.0}, (B, 0.0)),
        ({A: 4.0, B: 3.0}, (B, 0.0)),
    ],
)
def test_the_longest_due_has_its_turn(
    due_s: Mapping[Model, float], turn: tuple[Model | None, float | None]
) -> None:
    assert soonest(due_s, 10.0) == turn


@pytest.mark.parametrize(
    ("now", "seen", "moves", "words"),
    [
        (2, 2, True, "champion was moved from version 2 to version 3"),
        (None, None, True, "champion was moved from nothing to version 3"),
        (3, 2, False, "champion names version 3"),
        (3, None, False, "champion names version 3"),
        (5, 2, False, "champion names version 5 and stays so: it named version 2 when version 3"),
        (None, 2, False, "champion names nothing and stays so: it named version 2 when"),
        (2, None, False, "champion names version 2 and stays so: it named nothing when"),
    ],
)
def test_an_alias_that_a_person_moved_stays(
    now: int | None, seen: int | None, moves: bool, words: str
) -> None:
    found, said = moved("champion", now=now, seen=seen, version=3)
    assert (found, said[: len(words)]) == (moves, words)


def test_a_server_of_mlflows_keeps_files_itself_and_a_database_does_not() -> None:
    assert is_database("sqlite:////a/mlflow.db")
    assert is_database("postgresql+pg8000://host/db")
    assert not is_database("http://sqlite:5000")
    assert not is_database("file:///sqlite")


def test_what_is_remembered_is_bounded() -> None:
    record = Record()
    for number in range(MOST_PLACES + 5):
        record.note(report_of(rollout=f"r{number}"), Outcome(place=f"run {number}"))
    assert list(record.places.values()) == [f"run {n}" for n in range(5, MOST_PLACES + 5)]
    records = Records(most=2)
    for name in "abcd":
        records.of(Model(PLACE, name)).dropped = 1
    records.forget({Model(PLACE, "a"): 1})
    assert [one.model for one in records.standings({Model(PLACE, "e"): 1})] == ["a", "d", "e"]
