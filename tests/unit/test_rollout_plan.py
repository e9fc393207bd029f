"""What a plan may say, what it asks of each metric, and how long it takes."""

import math
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headrace.config.load import load, load_section
from headrace.config.rollouts import RolloutPlan, ValueWithin
from headrace.errors import ConfigInvalid
from headrace.rollout.criteria import badness, criteria, mean
from headrace.rollout.estimate import estimate, units_needed
from headrace.rollout.evidence import Criterion

ERRORS = {"errors": {"max_increase_points": 0.5}}
AGREES = {"agreement": {"min_percent": 98}}


def plan(**said: Any) -> RolloutPlan:
    return RolloutPlan.model_validate({"judge": ERRORS, **said})


def test_the_designs_plan_is_one() -> None:
    careful = plan(
        steps_percent=[1, 5, 25, 100],
        alpha=0.05,
        max_hours=24,
        when_inconclusive="hold",
        judge={
            **ERRORS,
            "p99": {"max_ratio": 1.1},
            "agreement": {"min_percent": 98, "mirror_percent": 5},
            "values": {"clicks": {"low": 0, "high": 10, "max_loss": 1}},
        },
    )
    assert careful.shares_percent == (1, 5, 25)
    assert [(one.name, round(one.margin, 9), one.paired) for one in criteria(careful)] == [
        ("errors", 0.005, True),
        ("p99", 0.0, True),
        ("agreement", 0.02, False),
        ("clicks", 0.1, True),
    ]


@pytest.mark.parametrize(
    ("said", "shares"),
    [
        ({}, (1, 5, 25)),
        ({"ramp": {"from_percent": 10, "to_percent": 40, "steps": 4}}, (10, 20, 30, 40)),
        (
            {"kind": "shadow-first", "judge": AGREES, "steps_percent": [5, 100]},
            (0, 5),
        ),
        ({"kind": "a/b", "steps_percent": [50]}, (50,)),
        ({"control": "baseline", "steps_percent": [10, 90]}, (10, 90)),
    ],
)
def test_a_candidate_is_judged_at_every_share_but_the_last(
    said: dict[str, Any], shares: tuple[float, ...]
) -> None:
    assert plan(**said).shares_percent == shares


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"steps_percent": [5, 1]}, "expected steps that rise"),
        ({"steps_percent": [100]}, "expected a step below 100 %"),
        (
            {"kind": "shadow-first", "judge": AGREES, "steps_percent": [100]},
            "expected a step below 100 %",
        ),
        ({"control": "own", "steps_percent": [1, 60, 100]}, "60 % is more than half"),
        ({"kind": "a/b"}, "expected one share for a/b"),
        ({"kind": "shadow-first"}, "shadow-first begins with mirrored traffic alone"),
        ({"ramp": {}, "steps_percent": [1]}, "not both"),
        ({"ramp": {"from_percent": 50, "to_percent": 10}}, "from_percent below to_percent"),
        ({"judge": {}}, "expected something to judge by"),
        ({"judge": {"values": {}, "errors": None}}, "expected something to judge by"),
        ({"judge": {"agreement": {}}}, "one of min_percent and max_drop_points"),
        ({"judge": {"p99": {}}, "max_harm_units": 5}, "expected judge.errors beside it"),
        ({"judge": {"values": {"p99": {"low": 0, "high": 1, "max_loss": 0}}}}, "metric already"),
        ({"judge": {"values": {"refused": {"low": 0, "high": 1, "max_loss": 0}}}}, "already"),
        ({"judge": {"values": {".x": {"low": 0, "high": 1, "max_loss": 0}}}}, "match pattern"),
        ({"judge": {"values": {"a b": {"low": 0, "high": 1, "max_loss": 0}}}}, "match pattern"),
        ({"judge": {"values": {"x": {"low": 0, "high": 1, "max_loss": 2}}}}, "max_loss below"),
        ({"judge": {"values": {"x": {"low": -1e308, "high": 1e308, "max_loss": 1}}}}, "finite"),
        ({"alpha": 0}, "greater than or equal to 0.000000001"),
        ({"alpha": 5e-324}, "greater than or equal to 0.000000001"),
        ({"max_hours": math.nan}, "finite"),
        ({"percent": 5}, "Extra inputs"),
    ],
)
def test_what_makes_no_plan_is_refused_in_words(said: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        plan(**said)


def test_a_value_is_as_bad_as_it_is_far_from_its_best() -> None:
    higher = ValueWithin(low=0.0, high=10.0, max_loss=1.0)
    lower = higher.model_copy(update={"better": "lower"})
    assert [badness(higher, value) for value in (-5, 0, 2.5, 10, 99)] == [1, 1, 0.75, 0, 0]
    assert [badness(lower, value) for value in (-5, 0, 2.5, 10, 99)] == [0, 0, 0.25, 1, 1]
    for asked in (higher, lower):
        assert [mean(asked, badness(asked, value)) for value in (0, 2.5, 10)] == [0, 2.5, 10]


def test_a_larger_difference_and_a_larger_control_need_fewer_units() -> None:
    asked = Criterion("errors", 0.005)

    def needed(candidate: float, share: float = 0.5) -> float:
        return units_needed(asked, rates=(candidate, 0.01), share=share, alpha=0.05, ways=3)

    assert needed(0.03) > needed(0.05) > needed(0.3)
    assert needed(0.03, share=0.1) < 0.6 * needed(0.03)
    assert math.isinf(needed(0.015))
    assert needed(0.01) < needed(0.0125) < math.inf


def test_an_estimate_adds_up_to_the_slowest_metric_at_the_last_step() -> None:
    asked = plan(judge={**ERRORS, "agreement": {"min_percent": 98}}, steps_percent=[1, 10])
    rates = {"errors": (0.01, 0.01), "agreement": (0.001, 0.0)}
    told = estimate(asked, units_per_s=100.0, rates=rates)
    assert told.slowest == "errors"
    assert [step.percent for step in told.steps] == [1, 10]
    assert told.steps[0].hours == pytest.approx(max(5 / 60, 100 / 1 / 3600))
    assert told.steps[1].hours == pytest.approx(told.needed["errors"] / 10 / 3600)
    assert told.hours == sum(step.hours for step in told.steps)
    slower = estimate(asked, units_per_s=0.5, rates=rates)
    assert slower.hours > 24
    shadow = plan(kind="shadow-first", judge=AGREES | ERRORS, steps_percent=[50])
    # A twentieth of the traffic is mirrored, and 100 pairs are needed.
    hours = estimate(shadow, units_per_s=1.0, rates=rates).steps[0].hours
    assert hours == pytest.approx(100 / 0.05 / 3600)


def test_an_estimate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="traffic above 0"):
        estimate(plan(), units_per_s=0.0, rates={"errors": (0.01, 0.01)})
    with pytest.raises(ValueError, match="rates of 'errors'"):
        estimate(plan(), units_per_s=1.0, rates={})
    never = estimate(
        plan(judge={"errors": {"max_increase_points": 0}}),
        units_per_s=1e6,
        rates={"errors": (0.01, 0.01)},
    )
    assert math.isinf(never.hours)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rollouts: {x: {}}", "1:12: judge: 'judge' is missing"),
        ("rollouts: {x: {judge: {}}}", "expected something to judge by"),
        (
            "rollouts:\n  x: {judge: {errors: {}}, steps_percent: [5, 1]}",
            "2:28: expected steps that rise",
        ),
    ],
)
def test_a_wrong_plan_in_a_models_file_is_told_with_its_place(
    tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid, match=says):
        load(file)


def test_a_plan_may_come_from_a_pipe_of_which_no_more_is_read_than_of_a_file() -> None:
    reads, writes = os.pipe()
    os.write(writes, b"judge: {p50: {}}")
    os.close(writes)
    given = load_section(Path(f"/dev/fd/{reads}"), RolloutPlan, or_pipe=True)
    os.close(reads)
    assert given.judge.p50 is not None
    with pytest.raises(ConfigInvalid, match="larger than"):
        load_section(Path("/dev/zero"), RolloutPlan, or_pipe=True)
