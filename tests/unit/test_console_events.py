"""What is told to those who follow, and how much versions do as they are told it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.desk import Desk

from headrace.console.deciding import entry_json
from headrace.console.following import number_of, told
from headrace.console.rates import Rates, Reading, quantile, rates, read
from headrace.control.events import Event, Events, Moved, moves
from headrace.models.lifecycle import Standing, State

LOADING = Standing(State.LOADING, "it loads")
READY = Standing(State.READY, "ready")
GONE = Standing(State.GONE, "it was unloaded")


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ({}, {}, []),
        ({}, {"m/1": LOADING}, [Moved("m", 1, LOADING)]),
        ({"m/1": LOADING}, {"m/1": LOADING}, []),
        ({"m/1": LOADING}, {"m/1": READY}, [Moved("m", 1, READY)]),
        (
            {"a/b/2": READY, "m/1": READY},
            {"m/1": LOADING},
            [Moved("a/b", 2, GONE), Moved("m", 1, LOADING)],
        ),
        (
            {"m/1": LOADING},
            {"m/1": Standing(State.LOADING, "it still loads")},
            [Moved("m", 1, Standing(State.LOADING, "it still loads"))],
        ),
    ],
)
def test_what_became_of_versions_is_told_once(before: Any, now: Any, moved: list[Moved]) -> None:
    assert list(moves(before, now)) == moved


@pytest.mark.parametrize(
    ("after", "found"),
    [(5, []), (4, [5]), (2, [3, 4, 5]), (1, None), (0, None), (6, None), (-1, None)],
)
def test_so_many_events_are_kept_as_may_be(after: int, found: list[int] | None) -> None:
    events = Events(term=1, most_kept=3)
    for version in range(1, 6):
        events.publish(Moved("m", version, READY))
    fresh = events.after(after)
    assert (fresh if fresh is None else [one.number for one in fresh]) == found


@pytest.mark.parametrize(
    ("event_id", "number"),
    [
        ("3-17", 17),
        ("3-0", 0),
        *((one, None) for one in ("", "2-17", "3-", "3-x", "3--1", "17", "3-²", f"3-{'9' * 5000}")),
    ],
)
def test_only_an_id_of_this_run_is_resumed_from(event_id: str, number: int | None) -> None:
    assert number_of(event_id, term=3) == number


def test_a_reason_cannot_end_its_event() -> None:
    text = told(Event(1, Moved("m", 1, Standing(State.FAILED, "no\n\nevent: x\r\rdata: y"))), "1-1")
    assert text.startswith("event: version\nid: 1-1\ndata: {")
    assert text.endswith("}\n\n")
    assert (text.count("\n"), text.count("\r")) == (4, 0)
    assert "\u2028" not in text


def test_changes_are_published_where_they_are_written_down(desk: Desk) -> None:
    woken: list[int] = []
    events = desk.controller.events
    began = events.newest
    with events.followed(lambda: woken.append(1)):
        desk.stand(m={1: State.LOADING})
        desk.stand(m={1: State.LOADING})
        desk.stand(m={1: State.READY})
        desk.models["m"] = [1, 2]
        desk.controller.load("m", 2, swap=None, who="me", why="a test")
    fresh = events.after(began)
    assert fresh is not None
    assert len(woken) == len(fresh)
    states = [one.happened.standing.state for one in fresh if isinstance(one.happened, Moved)]
    assert states == [State.LOADING, State.READY]
    written = [entry_json(one.happened) for one in fresh if not isinstance(one.happened, Moved)]
    assert written == [entry_json(one) for one in desk.controller.store.journal(2)[::-1]]
    assert json.loads(told(fresh[-1], "1-1").partition("data: ")[2])["why"] == "a test"


@pytest.mark.parametrize(
    ("within", "part", "found"),
    [
        ([], 0.5, None),
        ([(1.0, 0), (float("inf"), 0)], 0.5, None),
        ([(1.0, 10), (2.0, 10), (float("inf"), 10)], 0.5, 0.5),
        ([(1.0, 10), (2.0, 20), (float("inf"), 20)], 0.5, 1.0),
        ([(float("inf"), 20), (2.0, 20), (1.0, 10)], 0.75, 1.5),
        ([(1.0, 10), (2.0, 20), (float("inf"), 40)], 0.99, 2.0),
        ([(1.0, 0), (2.0, 20), (float("inf"), 20)], 0.5, 1.5),
    ],
)
def test_a_quantile_is_between_the_limits_that_are_counted(
    within: list[tuple[float, float]], part: float, found: float | None
) -> None:
    assert quantile(within, part) == found


PAGE = """# TYPE nv_inference_request_success counter
nv_inference_request_success{{model="m",version="1"}} {good}
headrace_request_failures_total{{model="m",version="1",kind="slow"}} {bad}
headrace_request_failures_total{{model="m",version="1",kind="invalid"}} 1
headrace_request_failures_total{{model="m",version="",kind="invalid"}} 70
headrace_batch_rows_sum{{model="m",version="1"}} {rows}
headrace_batch_rows_count{{model="m",version="1"}} {batches}
headrace_request_duration_seconds_bucket{{model="m",version="1",le="0.01"}} {good}
headrace_request_duration_seconds_bucket{{model="m",version="1",le="+Inf"}} {good}
process_start_time_seconds {started}
"""


def reading(at: float, started: float = 7, **counted: int) -> Reading:
    page = PAGE.format(started=started, **counted)
    return read(page, at)


def test_rates_are_what_was_counted_between_two_readings() -> None:
    before = reading(10, good=100, bad=0, rows=100, batches=100)
    now = reading(14, good=500, bad=8, rows=900, batches=200)
    found = rates(before, now)["m/1"]
    assert found.p99_ms == pytest.approx(9.9)
    assert replace(found, p99_ms=None) == Rates(102.0, 2.0, 5.0, None, rows_per_batch=8.0)
    assert rates(now, now) == {}
    idle = Rates(0.0, 0.0, p50_ms=None, p99_ms=None, rows_per_batch=None)
    assert rates(now, reading(15, good=500, bad=8, rows=900, batches=200)) == {"m/1": idle}


def test_of_a_gateway_that_began_meanwhile_nothing_is_known() -> None:
    before = reading(10, good=100, bad=0, rows=100, batches=100)
    assert rates(before, reading(11, started=8, good=1, bad=0, rows=1, batches=1)) == {}
