"""Decisions about reports to a registry: whose turn it is, when again, and which alias moves."""

from collections.abc import Mapping

import pytest
from tests.reports import PLACE, report_of

from headrace.registry.delivering import Outcome, moved
from headrace.registry.refusing import ADVICE, denial, is_database
from headrace.registry.report import Part
from headrace.registry.reporting import soonest
from headrace.registry.spool import Model
from headrace.registry.standing import MOST_PLACES, Backoff, Record, Records, due_s
from headrace.retrying import retry_after_s


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


@pytest.mark.parametrize(
    ("model", "place", "is_urgent", "seconds"),
    [
        (Backoff(), Backoff(), False, 60.0),
        (Backoff(), Backoff(), True, 0.0),
        (Backoff(1, 20.0), Backoff(), False, 20.0),
        (Backoff(1, 20.0), Backoff(), True, 20.0),
        (Backoff(), Backoff(2, 90.0), False, 90.0),
        (Backoff(), Backoff(2, 90.0), True, 90.0),
        (Backoff(1, 20.0), Backoff(2, 90.0), True, 90.0),
        (Backoff(4, 120.0), Backoff(2, 90.0), True, 120.0),
    ],
)
def test_metrics_gather_and_what_failed_waits_for_its_model_and_its_registry(
    model: Backoff, place: Backoff, is_urgent: bool, seconds: float
) -> None:
    assert due_s(Record(model, gathers_until_s=60.0), place, is_urgent=is_urgent) == seconds


def test_a_registry_is_away_after_two_failures_in_a_row_and_back_after_one_success() -> None:
    records = Records()

    def tries(model: Model) -> tuple[int, float, int, float]:
        one, place = records.of(model).backoff, records.at(PLACE)
        return one.tries, one.due_s, place.tries, place.due_s

    def retry(count: int) -> float:
        return 10.0 * count

    assert records.failed(A, "away", 100.0, retry)
    assert (tries(A), tries(B)) == ((1, 110.0, 1, 100.0), (0, 0.0, 1, 100.0))
    assert not records.failed(B, "away", 101.0, retry)
    assert (tries(A), tries(B)) == ((1, 110.0, 2, 111.0), (1, 111.0, 2, 111.0))
    assert records.failed(A, "still away", 111.0, retry)
    assert tries(A) == (2, 131.0, 3, 131.0)
    assert records.standings({A: 1, Model(PLACE, "c"): 1})[2].last_error == "still away"
    records.went(B, 200.0)
    assert (tries(A), tries(B)) == ((2, 131.0, 0, 0.0), (0, 0.0, 0, 0.0))


def test_a_part_that_is_denied_is_said_once_until_it_goes() -> None:
    record = Record()

    def noted(denied: str = "", went: str = "", step: int = 0) -> list[str]:
        return record.note(
            report_of(step=step, rollout=f"r{step}"),
            Outcome(denied={denied: f"no {denied}"} if denied else {}, went=went.split()),
        )

    assert noted("tags", "runs") == ["photos/3: no tags"]
    assert noted("tags", "runs") == []
    assert noted("", "runs", step=1) == []
    assert noted("tags", step=2) == []
    assert noted("aliases", step=2) == ["photos/3: no aliases"]
    assert noted("", "tags") == []
    assert noted("tags") == ["photos/3: no tags"]
    assert record.denied == {
        "3 in r2": {"tags": "no tags", "aliases": "no aliases"},
        "3 in r0": {"tags": "no tags"},
    }
    assert (record.refused, record.last_refusal) == (5, "no tags")


@pytest.mark.parametrize("part", Part)
def test_a_denial_says_what_to_do(part: Part) -> None:
    said = denial(part, ValueError("403:\nno"))
    what, right, instead = ADVICE[part]
    assert (
        said == f"{what}: the registry denies it (403: no); let this account {right}, or {instead}"
    )


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
