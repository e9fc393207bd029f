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
from headrace.console.forecast import Forecast, forecast, forecast_json
from headrace.console.rates import Counts, Reading
from headrace.control import orders
from headrace.execution.policy import WHOLE
from headrace.rollout.course import Course, End
from headrace.rollout.past import LAST, Past
from headrace.rollout.swings import STILL
from headrace.rollout.together import ALONE, Together

WITHIN = {0.01: 500.0, 0.02: 990.0, 0.04: 1000.0, float("inf"): 1000.0}
BEFORE = Counts(succeeded=1000, rows=1000, batches=1000, broken=10, within=WITHIN)
AFTER = replace(BEFORE, succeeded=1500, batches=1400)
READINGS = Reading(10, 7, {"m/1": BEFORE}), Reading(15, 7, {"m/1": AFTER})
JUDGE: dict[str, Any] = {"errors": {}, "p99": {"max_ratio": 1.1}, "agreement": {"min_percent": 98}}


#: Of a rollout at 25 % of 100 executions a second, whose processes stood still for half a second.
STALLED = Past(7, 1.0, Together(12, 500_000_000), 25.0)


@pytest.mark.parametrize(
    ("past", "executions_per_s", "percent", "units_per_s"),
    [
        # Two such moments fit into a second, or one where there is little to do.
        (STALLED, 25.0, 25.0, 2.0),
        (STALLED, 20.0, 25.0, 20 / 12),
        (STALLED, 100.0, 25.0, 2.0),
        (STALLED, 50.0, 50.0, 2.0),
        (STALLED, 5.0, 5.0, 5 / 3),
        (STALLED, 1.0, 1.0, 1.0),
        (STALLED, 0.2, 1.0, 0.2),
        # What swings swings as much at any share, and the larger of both has its way.
        (replace(STALLED, together=ALONE, effect=20.0), 25.0, 25.0, 1.25),
        (replace(STALLED, together=ALONE, effect=20.0), 1.0, 1.0, 0.05),
        (replace(STALLED, effect=20.0), 100.0, 25.0, 2.0),
        (replace(STALLED, effect=100.0), 100.0, 25.0, 1.0),
        (replace(STALLED, together=ALONE), 100.0, 25.0, 100.0),
    ],
)
def test_what_waited_together_is_as_many_times_less_at_a_smaller_share(
    past: Past, executions_per_s: float, percent: float, units_per_s: float
) -> None:
    assert past.weighing_per_s(executions_per_s, percent) == pytest.approx(units_per_s)


def test_what_weighs_as_one_takes_as_many_times_longer() -> None:
    asked = plan(judge=JUDGE, steps_percent=[1, 10], minimum={"units": 50, "minutes": 0})

    def reckoned(past: Past | None) -> Forecast:
        return forecast(asked, "m/1", *READINGS, past=past)

    swung = Past(7, 20.0, ALONE, 50.0)
    alone, past = reckoned(None), reckoned(swung)
    assert alone.estimate is not None
    assert past.estimate is not None
    assert (alone.estimate.slowest, past.estimate.slowest) == ("p99", "p99")
    assert past.estimate.needed == alone.estimate.needed
    assert [one.hours for one in past.estimate.steps] == pytest.approx(
        [20 * one.hours for one in alone.estimate.steps]
    )
    assert past.notes[1] == (
        "of p99 20 executions are reckoned as one unit at the last step, by what waited together, "
        "or was slow for a while, in rollout 7"
    )
    told = {one["name"]: one["weigh_as_one"] for one in forecast_json(asked, past)["metrics"]}
    assert told == pytest.approx({"errors": 1.0, "p99": 20.0, "agreement": 1.0})


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
    known = rolled(9)
    # Who ended too soon knows nothing, of users others wait together, and longer is better.
    short = replace(known, number=2, swings=STILL)
    users, less = replace(known, number=3, sticky="header:x"), rolled(7)
    for courses in ([known], [known, short, users], [known, less], [less, known]):
        assert Past.of(courses) == Past(1, known.swings.effect, ALONE, 5.0)
    assert Past.of([known, *[less] * LAST]) == Past(2, less.swings.effect, ALONE, 5.0)
    assert Past.of([short, users]) is None
    swinging = [replace(one, squares=40.0 * one.pairs) for one in known.swings.batches]
    swung = replace(known, swings=replace(known.swings, batches=tuple(swinging)))
    found = Past.of([swung])
    assert found is not None
    assert (found.effect, found.effect > 20) == (swung.swings.effect, True)
    assert said() == ("of p99 each execution is reckoned as one unit, as in rollout 1", traffic)
