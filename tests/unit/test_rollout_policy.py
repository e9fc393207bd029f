"""A rollout's next move is a function of its plan and its record."""

import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.bets import NONE, Units
from headrace.rollout.policy import Move, MoveKind, next_move
from headrace.rollout.record import Health, Record

HOUR = 3600.0


def plan(**said: Any) -> RolloutPlan:
    asked = {"judge": {"errors": {"max_increase_points": 0.5}}, "steps_percent": [5, 25, 100]}
    return RolloutPlan.model_validate(asked | said)


PLAN = plan()
A_A = plan(kind="a/a", steps_percent=[50])
SHADOW = plan(
    kind="shadow-first",
    max_harm_units=30,
    judge={"errors": {"max_increase_points": 0.5}, "agreement": {"min_percent": 98}},
)


def seen(
    asked: RolloutPlan, *, bad: float = 0.01, looks: int = 0, step: int = 0, **changes: Any
) -> Record:
    """A record of looks with 20 units of each arm at a step; the control's are 1 % bad."""
    same = asked.kind == "a/a"
    record = Record.begin(asked, candidate=1 if same else 2, baseline=1, now=0.0)
    for _ in range(step):
        record = record.advanced(asked, 0.0)
    for _ in range(looks):
        units = {"errors": (Units(20, 20 * bad), Units(20, 0.2))}
        if step == 0 and asked.kind == "shadow-first":
            units = {"agreement": (Units(20, 20 * bad), NONE)}
        record = record.observed(units)
    return replace(record, **changes)


@pytest.mark.parametrize(
    ("asked", "record", "hours", "kind", "says"),
    [
        (PLAN, seen(PLAN), 0.5, "hold", "0 units of the candidate for errors at this step; 100"),
        (PLAN, seen(PLAN, looks=2), 0.5, "hold", "100 are needed: about 45 min more, as it"),
        (PLAN, seen(PLAN, looks=4), 0.02, "hold", "100 are needed: about 18 s more, as it"),
        (PLAN, seen(PLAN, looks=2), 3, "hold", "100 are needed: about 4.5 h more, as it"),
        (PLAN, seen(PLAN, looks=2), 15, "hold", "100 are needed: longer than is left of max_hours"),
        (PLAN, seen(PLAN, looks=300, step=1), 0.5, "hold", r" are asked\): about \d+ min more"),
        (PLAN, seen(PLAN, looks=10), 0.0, "hold", "0 minutes at this step; 5 are needed"),
        (PLAN, seen(PLAN, looks=10), 0.5, "advance", "200 units of each metric at 5 %"),
        (PLAN, seen(PLAN, looks=10, step=1), 0.5, "hold", "not proven to be as good as asked"),
        (PLAN, seen(PLAN, looks=600, step=1), 0.5, "promote", "1 % bad against 1 %"),
        (PLAN, seen(PLAN, looks=600, step=1), 99, "promote", "no metric is worse than allowed"),
        (PLAN, seen(PLAN, looks=10, step=1), 24, "inconclusive", "24 hours are over, and errors"),
        (
            plan(when_inconclusive="roll_back"),
            seen(PLAN, looks=10, step=1), 24, "roll_back", "24 hours are over",
        ),
        (PLAN, seen(PLAN, bad=0.05, looks=100), 0.5, "roll_back", "5 % bad against 1 %"),
        (PLAN, seen(PLAN, bad=0.05, looks=25), 0.5, "hold", "looks worse than allowed"),
        (
            PLAN,
            seen(PLAN, health=Health(candidate_crashes=4, control_crashes=1)),
            0, "roll_back", "crashed 4 times, the control 1; 2 more are allowed",
        ),
        (
            PLAN,
            seen(PLAN, looks=10, health=Health(candidate_crashes=4, control_crashes=2)),
            0.5, "advance", "no sign of harm",
        ),
        (
            PLAN,
            seen(PLAN, health=Health(candidate_ready=False)),
            0, "roll_back", "version 2 cannot answer",
        ),
        (
            PLAN,
            seen(PLAN, bad=0.05, looks=100, health=Health(baseline_ready=False)),
            0.5, "hold", "worse than allowed .*nothing to go back to",
        ),
        (
            PLAN,
            seen(PLAN, looks=10, health=Health(baseline_ready=False)),
            0.5, "hold", "version 1 cannot answer, so that there is nothing to compare with",
        ),
        (
            plan(max_harm_units=2),
            seen(PLAN, bad=0.03, looks=10),
            0, "roll_back", "4 units failed more .*2 are allowed",
        ),
        (plan(max_harm_units=5), seen(PLAN, bad=0.03, looks=10), 0.5, "advance", ""),
        (SHADOW, seen(SHADOW), 0.5, "hold", "0 units of the candidate for agreement at this step"),
        (SHADOW, seen(SHADOW, looks=10), 0.5, "advance", "200 units of each metric at 0 %"),
        (SHADOW, seen(SHADOW, bad=0.2, looks=20), 0.5, "roll_back", "agreement: 20 % bad, 2 %"),
        (
            SHADOW,
            seen(SHADOW, looks=10).advanced(SHADOW, 0.0),
            0.5, "hold", "0 units of the candidate for errors",
        ),
        (
            plan(approval="promotion"),
            seen(PLAN, looks=600, step=1),
            0.5, "wait_for_approval", "promotion waits for a person; no metric is worse",
        ),
        (plan(approval="promotion"), seen(PLAN, looks=10), 0.5, "advance", ""),
        (
            plan(approval="promotion"),
            seen(PLAN, looks=600, step=1).approved(), 0.5, "promote", "",
        ),
        (
            plan(approval="each_step"),
            seen(PLAN, looks=10),
            0.5, "wait_for_approval", "going on to 25 % waits",
        ),
        (plan(approval="each_step"), seen(PLAN, looks=10).approved(), 0.5, "advance", ""),
        (A_A, seen(A_A, looks=600), 0.5, "hold", "goes on to its end"),
        (A_A, seen(A_A, looks=600), 24, "inconclusive", "as it should be"),
        (
            A_A,
            seen(A_A, bad=0.05, looks=100),
            0.5, "roll_back", "differs from itself .*a false alarm, which 0.05 of such tests",
        ),
    ],
)  # fmt: skip
def test_next_move(asked: RolloutPlan, record: Record, hours: float, kind: str, says: str) -> None:
    move = next_move(asked, record, hours * HOUR)
    assert move.kind.value == kind, move.reason
    assert re.search(says, move.reason), move.reason


def test_advance_names_the_next_share() -> None:
    move = next_move(PLAN, seen(PLAN, looks=10), HOUR)
    assert (move.kind, move.percent) == (MoveKind.ADVANCE, 25)


def test_harm_once_proven_stays_proven() -> None:
    record = seen(PLAN, bad=0.05, looks=100)
    for _ in range(3000):
        record = record.observed({"errors": (Units(20, 0), Units(20, 0.2))})
    assert record.log_harm < math.log(20)
    assert next_move(PLAN, record, HOUR).kind is MoveKind.ROLL_BACK


def test_metrics_together_are_judged_at_alpha() -> None:
    asked = plan(judge={"errors": {}, "p95": {}, "p99": {}, "accuracy": {}})
    record = Record.begin(asked, candidate=2, baseline=1, now=0.0)
    while next_move(asked, record, 0.0).kind is not MoveKind.ROLL_BACK:
        record = record.observed({"errors": (Units(20, 1), Units(20, 0.2))})
    worst = record.evidence[0].log_harm
    assert math.log(20) < math.log(4 * 20) - 0.2 < worst < math.log(4 * 20) + 0.5


def test_what_is_no_record_of_the_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the same version twice for a/a"):
        Record.begin(PLAN, candidate=1, baseline=1, now=0.0)
    with pytest.raises(ValueError, match="expected the same version twice for a/a"):
        Record.begin(A_A, candidate=1, baseline=2, now=0.0)
    with pytest.raises(ValueError, match="expected some of errors, unserved, refused, not 'p99'"):
        seen(PLAN).observed({"p99": (Units(), Units())})
    with pytest.raises(ValueError, match="the plan's last"):
        seen(PLAN, step=1).advanced(PLAN, 0.0)
    written = seen(PLAN).to_json()
    wrong = written.replace("step", "st"), written.replace('_peak": 0.0', '_peak": NaN')
    for text in ("{", "[]", "{}", '{"evidence": []}', *wrong):
        with pytest.raises(ValueError, match=r"Expecting|expected the record"):
            Record.from_json(text)


AGREES = {"agreement": {"min_percent": 98}}
PLANS = some.builds(
    lambda kind, approval, most, when, judge: plan(
        kind=kind,
        approval=approval,
        max_harm_units=most,
        when_inconclusive=when,
        steps_percent=[50] if kind in ("a/b", "a/a") else [5, 25, 100],
        judge={"errors": {}} | judge | (AGREES if kind == "shadow-first" else {}),
    ),
    some.sampled_from(["canary", "a/b", "a/a", "shadow-first"]),
    some.sampled_from(["none", "promotion", "each_step"]),
    some.sampled_from([None, 3.0]),
    some.sampled_from(["hold", "roll_back"]),
    some.sampled_from([{}, {"p99": {}}, AGREES]),
)
UNITS = some.builds(
    lambda count, share: Units(count, count * share),
    some.sampled_from([0, 1, 50, 10_000, 100_000_000]),
    some.sampled_from([0.0, 1e-9, 0.01, 0.02, 0.5, 1.0]),
)
HEALTH = some.builds(
    Health, some.booleans(), some.booleans(), some.integers(0, 5), some.integers(0, 5)
)
EVENTS = some.lists(
    some.tuples(some.floats(0, 20_000), UNITS, UNITS, some.booleans(), some.none() | HEALTH),
    max_size=12,
)


def assert_earned(asked: RolloutPlan, record: Record, move: Move, now: float) -> None:
    assert asked.kind != "a/a"
    assert record.health.candidate_ready
    assert record.health.baseline_ready
    assert record.log_harm_peak < math.log(20)
    assert record.log_harm < math.log(20) / 2
    assert now - record.step_started_at >= 300
    for known in record.asked_at_step(asked):
        assert known.step_candidate.count >= 100
        assert known.step_control.count >= 100 or not known.criterion.paired
        assert known.log_fine >= math.log(20) or move.kind is MoveKind.ADVANCE
    assert asked.approval != "each_step" or record.approved_step >= record.step


@settings(max_examples=100, deadline=None)
@given(asked=PLANS, events=EVENTS, restart=some.integers(0, 12))
def test_every_record_has_one_move_that_its_evidence_allows(
    asked: RolloutPlan, events: list[Any], restart: int
) -> None:
    same = asked.kind == "a/a"
    record = Record.begin(asked, candidate=1 if same else 2, baseline=1, now=0.0)
    now, again = 0.0, record
    for number, (later, candidate, control, approves, health) in enumerate(events):
        now += later
        deltas = {known.criterion.name: (candidate, control) for known in record.evidence}
        record, again = record.observed(deltas), again.observed(deltas)
        if health is not None:
            record, again = replace(record, health=health), replace(again, health=health)
        if approves:
            record, again = record.approved(), again.approved()
        if number == restart:
            again = Record.from_json(again.to_json())
        move = next_move(asked, record, now)
        assert again == record
        assert next_move(asked, again, now) == move
        assert move.reason
        if move.kind is MoveKind.ROLL_BACK:
            assert same or record.health.baseline_ready
        if move.kind in (MoveKind.ADVANCE, MoveKind.PROMOTE):
            assert_earned(asked, record, move, now)
        if move.kind is MoveKind.ADVANCE:
            assert move.percent == asked.shares_percent[record.step + 1]
            record, again = record.advanced(asked, now), again.advanced(asked, now)


def test_a_record_stays_as_small_as_it_began() -> None:
    few, many = seen(PLAN, looks=2), seen(PLAN, looks=2000)
    assert len(many.to_json()) < len(few.to_json()) + 200
    assert json.loads(many.to_json())["step"] == 0
