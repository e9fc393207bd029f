"""What a rollout would take, by how much weighed as one in the last that judged latency."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.unit.asking import ask
from tests.unit.rolling import ME, Play, plan

from headrace.cli.estimating import estimate_lines
from headrace.console import estimating
from headrace.console.forecast import Forecast, Past, forecast, forecast_json
from headrace.console.rates import Counts, Reading
from headrace.control import orders
from headrace.execution.policy import WHOLE
from headrace.rollout.course import Course, End
from headrace.rollout.swings import PRIOR_PAIRS, STILL, Swings

WITHIN = {0.01: 500.0, 0.02: 990.0, 0.04: 1000.0, float("inf"): 1000.0}
BEFORE = Counts(succeeded=1000, rows=1000, batches=1000, broken=10, within=WITHIN)
AFTER = replace(BEFORE, succeeded=1500, batches=1400)
READINGS = Reading(10, 7, {"m/1": BEFORE}), Reading(15, 7, {"m/1": AFTER})
JUDGE: dict[str, Any] = {"errors": {}, "p99": {"max_ratio": 1.1}, "agreement": {"min_percent": 98}}


@pytest.mark.parametrize(
    ("pairs", "counted", "weighed", "as_one"),
    [
        (PRIOR_PAIRS, 900.0, 30.0, 30.0),
        (PRIOR_PAIRS, 900.0, 900.5, 1.0),
        (PRIOR_PAIRS - 1, 900.0, 30.0, None),
        (PRIOR_PAIRS, 0.0, 0.0, None),
    ],
)
def test_what_had_weight_is_known_once_looks_were_compared(
    pairs: int, counted: float, weighed: float, as_one: float | None
) -> None:
    batches = (replace(STILL.batches[0], pairs=pairs), *STILL.batches[1:])
    # The control's are not asked for.
    found = Swings(batches=batches, counted=(counted, 1.0), weighed=(weighed, 1.0))
    assert found.weighed_as_one == as_one


def test_what_weighs_as_one_takes_as_many_times_longer() -> None:
    def reckoned(past: Past | None) -> Forecast:
        return forecast(plan(judge=JUDGE, steps_percent=[10]), "m/1", *READINGS, past=past)

    alone, past = reckoned(None), reckoned(Past(7, 20.0))
    assert alone.estimate is not None
    assert past.estimate is not None
    assert (alone.estimate.slowest, past.estimate.slowest) == ("p99", "p99")
    assert past.estimate.needed == alone.estimate.needed
    assert past.estimate.hours == pytest.approx(20 * alone.estimate.hours)
    assert past.notes[1] == (
        "of p99 20 executions are reckoned as one unit, as in rollout 7: they wait together, or "
        "are slow for a while"
    )
    told = forecast_json(plan(judge=JUDGE), past)
    assert {one["name"]: one["weigh_as_one"] for one in told["metrics"]} == {
        "errors": 1.0,
        "p99": 20.0,
        "agreement": 1.0,
    }


def test_the_last_rollout_that_knows_is_asked(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[Reading] = []
    monkeypatch.setattr(estimating, "scrape", lambda address: readings.pop(0))
    monkeypatch.setattr(estimating, "OVER_S", 0.0)

    def said() -> tuple[str, str]:
        readings[:] = READINGS
        query = {"model": "m", "version": 2, "plan": json.dumps({"judge": {"p99": {}}})}
        body = ask(play.desk.sources, "GET", f"/api/rollout/estimate?{urlencode(query)}").body
        return body["notes"][0], list(estimate_lines(body))[1]

    def rolled(looks: int) -> Course:
        number = play.start(plan(judge={"p99": {}}, minimum={"minutes": 60})).number
        for _ in range(2 + looks):
            play.gateway.count(1, 1500)
            play.look()
        play.desk.rollouts.stop(number, End.STOPPED, **ME)
        play.desk.controller.obey(orders.split("m", {1: WHOLE}), **ME)
        return play.desk.rollouts.one(number)

    note, traffic = said()
    assert note.startswith("of p99 each execution is reckoned as one unit")
    assert traffic.endswith("of which each is one unit")
    as_one = rolled(9).swings.weighed_as_one
    assert as_one is not None
    assert as_one > 1
    known = play.desk.rollouts.one(1)
    assert Past.of([known, replace(known, number=2, sticky="header:x-user")]) == Past(1, as_one)
    assert Past.of([known, replace(known, number=2)]) == Past(2, as_one)
    # The next one ends too soon.
    assert rolled(1).swings.weighed_as_one is None
    note, traffic = said()
    assert note.startswith(
        f"of p99 {as_one:.3g} executions are reckoned as one unit, as in rollout 1:"
    )
    assert traffic.endswith(f"of which each is one unit, but {as_one:.3g} are one of p99")
