"""How long a rollout would take: by what a gateway has counted, over REST and in words."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk
from typer.testing import CliRunner

from headrace.cli import console_client, rollouts
from headrace.cli.estimating import duration, estimate_lines
from headrace.config.rollouts import RolloutPlan
from headrace.console import estimating
from headrace.console.forecast import (
    Carried,
    Traffic,
    expected,
    forecast,
    forecast_json,
    resources,
)
from headrace.console.logbook import Logbook
from headrace.console.rates import Counts, Reading, beyond
from headrace.control import orders
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import State
from headrace.rollout.estimate import estimate

INF = float("inf")
#: Half of the answers within 10 ms, 99 % within 20, all within 40.
WITHIN = {0.01: 500.0, 0.02: 990.0, 0.04: 1000.0, INF: 1000.0}
BUSY = Counts(succeeded=1000, failed=4, rows=1000, batches=1000, broken=10, within=WITHIN)
ERRORS: dict[str, Any] = {"errors": {}}


def plan(**judge: Any) -> RolloutPlan:
    return RolloutPlan.model_validate({"judge": judge or ERRORS, "steps_percent": [1, 10, 100]})


def reading(at: float, counts: Counts | None, started: float = 7.0) -> Reading:
    return Reading(at, started, {} if counts is None else {"m/1": counts})


def later(requests: float, batches: float) -> Counts:
    return replace(BUSY, succeeded=BUSY.succeeded + requests, batches=BUSY.batches + batches)


@pytest.mark.parametrize(
    ("within", "seconds", "part"),
    [
        ({}, 1.0, 0.0),
        ({0.01: 0.0, INF: 0.0}, 1.0, 0.0),
        (WITHIN, 0.0, 1.0),
        (WITHIN, 0.005, 0.75),
        (WITHIN, 0.01, 0.5),
        (WITHIN, 0.02, 0.01),
        (WITHIN, 0.022, 0.009),
        (WITHIN, 0.04, 0.0),
        (WITHIN, 9.0, 0.0),
        ({0.01: 50.0, INF: 100.0}, 0.01, 0.5),
        ({0.01: 50.0, INF: 100.0}, 9.0, 0.5),
    ],
)
def test_what_is_beyond_a_time_is_between_the_limits_that_are_counted(
    within: dict[float, float], seconds: float, part: float
) -> None:
    assert beyond(within.items(), seconds) == pytest.approx(part)


@pytest.mark.parametrize(
    ("judge", "counts", "rates", "says"),
    [
        (ERRORS, BUSY, {"errors": (0.01, 0.01)}, ()),
        (ERRORS, Counts(), {}, ("m/1 has counted nothing yet that tells of errors",)),
        ({"p99": {"max_ratio": 1.1}}, BUSY, {"p99": (0.009, 0.01)}, ()),
        ({"p99": {"max_ratio": 9}}, BUSY, {"p99": (0.0, 0.01)}, ()),
        ({"p50": {"max_ratio": 1.5}}, BUSY, {"p50": (0.255, 0.5)}, ()),
        (
            {"p99": {}, **ERRORS},
            replace(BUSY, within={}),
            {"errors": (0.01, 0.01)},
            ("m/1 has counted nothing yet that tells of p99",),
        ),
        # As slow as the histogram has words for: nothing can be told apart.
        (
            {"p99": {}},
            replace(BUSY, within={0.01: 900.0, INF: 1000.0}),
            {"p99": (0.01, 0.01)},
            (),
        ),
        (
            {"agreement": {"min_percent": 98}},
            BUSY,
            {"agreement": (0.01, 0.01)},
            ("agreement is reckoned with 1 % of pairs that differ",),
        ),
        ({"accuracy": {}}, BUSY, {}, ("m/1 has counted nothing yet that tells of accuracy",)),
    ],
)
def test_a_candidate_is_reckoned_to_be_as_bad_as_its_baseline(
    judge: Any, counts: Counts, rates: dict[str, tuple[float, float]], says: tuple[str, ...]
) -> None:
    found, notes = expected(plan(**judge), "m/1", counts)
    assert found.keys() == rates.keys()
    for name, pair in rates.items():
        assert found[name] == pytest.approx(pair), name
    assert len(notes) == len(says)
    assert all(note.startswith(said) for note, said in zip(notes, says, strict=True)), notes


def test_it_is_reckoned_with_the_traffic_of_a_few_seconds() -> None:
    asked = plan(errors={}, p99={"max_ratio": 1.5})
    found = forecast(asked, "m/1", reading(10, BUSY), reading(15, later(500, 400)))
    assert found.traffic == Traffic(100.0, 100.0, 80.0, 5.0)
    assert found.measuring_hours == pytest.approx(1000 / 100 / 3600)
    assert found.estimate == estimate(asked, units_per_s=80.0, rates=found.rates)
    assert found.hours == found.measuring_hours + found.estimate.hours
    assert [note[:15] for note in found.notes] == ["of p99 each exe", "1.25 requests s"]
    told = forecast_json(asked, found)
    assert (told["fits"], told["slowest"]) == (True, found.estimate.slowest)
    assert [one["units"] for one in told["metrics"]] == list(found.estimate.needed.values())
    alone = forecast(plan(), "m/1", reading(10, BUSY), reading(15, later(500, 500)))
    assert (alone.measuring_hours, alone.notes) == (0.0, ())


@pytest.mark.parametrize(
    ("judge", "before", "now", "says"),
    [
        (ERRORS, reading(1, BUSY), reading(6, BUSY), "m/1 ran nothing in 5 s"),
        (ERRORS, reading(1, None), reading(6, None), "m/1 ran nothing in 5 s"),
        (ERRORS, reading(1, BUSY), reading(1, BUSY), "m/1 ran nothing in 0 s"),
        (ERRORS, reading(1, BUSY), reading(6, BUSY, started=8), "the gateway began anew"),
        (
            {"accuracy": {}},
            reading(1, BUSY),
            reading(6, later(500, 500)),
            "m/1 has counted nothing yet that tells of accuracy",
        ),
    ],
)
def test_where_nothing_can_be_said_it_is_said_why(
    judge: Any, before: Reading, now: Reading, says: str
) -> None:
    found = forecast(plan(**judge), "m/1", before, now)
    assert found.estimate is None
    assert found.notes[0].startswith(says)
    told = forecast_json(plan(**judge), found)
    assert (told["hours"], told["fits"], told["slowest"], told["steps"]) == (None, None, None, [])
    assert "NaN" not in json.dumps(told)


@pytest.mark.parametrize(
    ("judge", "name"),
    [
        ({"errors": {"max_increase_points": 0}}, "errors"),
        ({"p99": {"max_ratio": 1}}, "p99"),
        ({"agreement": {"min_percent": 99}}, "agreement"),
        ({"agreement": {"min_percent": 99.5}}, "agreement"),
    ],
)
def test_what_is_never_proven_is_said(judge: Any, name: str) -> None:
    found = forecast(plan(**judge), "m/1", reading(1, BUSY), reading(6, later(500, 500)))
    assert found.estimate is not None
    assert (found.estimate.slowest, found.hours) == (name, math.inf)
    assert f"{name} is never proven by a candidate that is just as good" in found.notes[-1]
    told = forecast_json(plan(**judge), found)
    assert (told["hours"], told["fits"], told["metrics"][-1]["units"]) == (None, False, None)


def test_pairs_of_answers_come_from_mirrored_traffic_at_every_step() -> None:
    judge = {"agreement": {"min_percent": 98, "mirror_percent": 50}}
    rates = {"agreement": (0.01, 0.01)}
    found = estimate(plan(**judge), units_per_s=1.0, rates=rates)
    assert [step.hours for step in found.steps] == pytest.approx(
        [max(5 / 60, 100 / 0.5 / 3600), found.needed["agreement"] / 0.5 / 3600]
    )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    logbook = Logbook(tmp_path / "logs", None)
    desk = Desk(tmp_path, logbook, m=[1, 2])
    desk.stand(m={1: State.READY, 2: State.READY})
    desk.controller.obey(orders.split("m", {1: WHOLE}), who="me", why="")
    yield desk
    desk.close()
    logbook.close()


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Reading]:
    """What a gateway tells, the first first."""
    told: list[Reading] = []
    monkeypatch.setattr(estimating, "scrape", lambda address: told.pop(0))
    monkeypatch.setattr(estimating, "OVER_S", 0.0)
    return told


def asked(desk: Desk, **query: Any) -> Any:
    return ask(desk.sources, "GET", f"/api/rollout/estimate?{urlencode(query)}")


def test_the_console_says_how_long_it_takes(desk: Desk, readings: list[Reading]) -> None:
    readings += [reading(10, BUSY), reading(15, later(500, 400))]
    said = {"judge": ERRORS, "steps_percent": [5, 100]}
    answer = asked(desk, model="m", version=2, plan=json.dumps(said))
    assert answer.status == 200, answer.body
    body = answer.body
    assert (body["candidate"], body["baseline"]) == (2, 1)
    assert [one["percent"] for one in body["steps"]] == [5]
    assert body["hours"] == pytest.approx(body["metrics"][0]["units"] / 4 / 3600)
    text = "\n".join(estimate_lines(body))
    assert f"m: version 2 against 1, if it is as good: {duration(body['hours'])}; max_hours" in text
    assert "100 requests/s in 80 executions/s" in text
    assert "errors" in text
    assert desk.rollouts.all() == []
    readings += [reading(10, BUSY), reading(15, BUSY)]
    idle = asked(desk, model="m", version=2, plan=json.dumps(said)).body
    assert "nothing can be said" in next(estimate_lines(idle))


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"version": 2}, 400, "say which model"),
        ({"model": "m"}, 400, "say which version"),
        ({"model": "m", "version": 2, "plan": "{"}, 400, "this is no plan"),
        ({"model": "m", "version": 2, "plan": "x"}, 409, "no plan 'x'"),
        ({"model": "m", "version": 1}, 409, "version 1 has all the traffic already"),
        ({"model": "m", "version": 2, "baseline": 3}, 409, "where version 3 has all"),
        ({"model": "n", "version": 2}, 409, "no model 'n' is served here"),
        ({"model": "m", "version": 2}, 503, "no gateway tells what it has counted"),
    ],
)
def test_what_could_not_begin_is_not_reckoned(
    desk: Desk, query: dict[str, Any], status: int, says: str
) -> None:
    answer = asked(desk, **query)
    assert (answer.status, says in answer.body["error"]) == (status, True), answer.body


TRAFFIC = Traffic(100.0, 100.0, 50.0, over_s=5.0)


def test_what_it_takes_is_said() -> None:
    asked = plan(agreement={"min_percent": 98})
    found = resources(asked, 2, Carried(1, None), Carried(3, None), TRAFFIC)
    assert [one.split(",")[0] for one in found] == [
        "version 2 is loaded",
        "up to 10 % of the traffic comes to it",
        "copies of 5 % of the traffic",
    ]
    assert "10 requests/s" in found[1]
    assert "on 1 host;" in found[0]


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (None, "never"),
        (0.0, "0 s"),
        (0.01, "36 s"),
        (0.25, "15 min"),
        (2.0, "2 h"),
        (30.25, "30.2 h"),
    ],
)
def test_a_time_is_said_as_people_say_it(hours: float | None, said: str) -> None:
    assert duration(hours) == said


def test_nothing_is_said_of_time_where_users_are_the_units(
    desk: Desk, readings: list[Reading]
) -> None:
    readings += [reading(10, BUSY), reading(15, later(500, 400))]
    desk.controller.obey(orders.stick("m", "header:x-user"), who="me", why="")
    told = asked(desk, model="m", version=2)
    assert (told.status, told.body["hours"], told.body["steps"]) == (200, None, [])
    assert told.body["notes"][0].startswith("users are the units, by header:x-user")
    lines = "\n".join(estimate_lines(told.body))
    assert [one in lines for one in ("not known", "never enough", "is one unit")] == [1, 0, 0]


def test_a_dry_run_begins_nothing(
    desk: Desk, readings: list[Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    readings += [reading(10, BUSY), reading(15, later(500, 400))]
    monkeypatch.setattr(console_client, "get", lambda _, path: ask(desk.sources, "GET", path).body)
    done = CliRunner().invoke(rollouts.app, ["start", "m/2", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "before, to know latency" in done.output
    assert "p99" in done.output
    assert desk.rollouts.all() == []
