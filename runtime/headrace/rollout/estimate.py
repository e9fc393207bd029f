"""How long a plan takes, before it begins."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.bets import STAKES, Units, gains
from headrace.rollout.criteria import criteria
from headrace.rollout.evidence import Criterion
from headrace.rollout.latency import QUANTILES
from headrace.rollout.past import Past


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """Of one step: its share, and for how long a candidate stays there if it is as good."""

    percent: float
    hours: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of a rollout of a candidate that is as good as the control.

    Attributes:
        needed: how many units of each metric the candidate needs at the last step.
        as_one: by metric, how many executions, or pairs of answers, are one unit at that step.
        slowest: the metric whose proof takes longest.
    """

    steps: tuple[StepEstimate, ...]
    hours: float
    needed: Mapping[str, float]
    as_one: Mapping[str, float]
    slowest: str


def units_needed(
    criterion: Criterion, *, rates: tuple[float, float], share: float, alpha: float, ways: int
) -> float:
    """Return after about how many of the candidate's units a difference is told, or infinity.

    It is told that the candidate is worse than the margin, or that it is not, whichever is so.
    ``rates`` are how bad a unit of candidate and control is on average, ``share`` is the
    candidate's part of both arms' units. ``ways`` is among how many bets capital is divided beside
    the stakes: metrics times steps for harm, 1 for promotion. Half of all rollouts take less.
    """
    candidate, control = rates
    against = _allowed(criterion, control)
    pair = Units(1.0, candidate), Units((1 - share) / share, control * (1 - share) / share)
    worse, fine = gains(
        pair[0],
        pair[1] if criterion.paired else None,
        rate=share * candidate + (1 - share) * control,
        margin=criterion.margin,
    )
    growth = float(np.max(worse if candidate > against else fine))
    if candidate == against or growth <= 0.0:
        return math.inf
    return (math.log(1 / alpha) + math.log(len(STAKES) * ways)) / growth


def estimate(
    plan: RolloutPlan,
    *,
    units_per_s: float,
    rates: Mapping[str, tuple[float, float]],
    past: Past | None = None,
) -> Estimate:
    """Return how long a plan takes for a candidate that is as good as the control.

    ``units_per_s`` are of all traffic of the model. ``rates`` are, by metric, how bad a unit is on
    average of candidate and control; a quantile's are the shares beyond its two lines. ``past``
    says how many executions are one unit of these; without it each is.

    Raises:
        ValueError: there is no traffic, or a metric without rates.
    """
    asked = criteria(plan)
    if not units_per_s > 0.0:
        raise ValueError(f"expected traffic above 0 units a second, not {units_per_s:g}")
    if missing := [one.name for one in asked if one.name not in rates]:
        raise ValueError(f"expected the rates of {missing[0]!r}, too")
    last = plan.shares_percent[-1]
    share = 0.5 if plan.control == "own" else last / 100
    needed = {
        # Each copy is answered by both versions.
        one.name: _to_promote(plan, one, rates[one.name], 0.5 if one.name == "agreement" else share)
        for one in asked
    }
    steps = []
    for percent in plan.shares_percent:
        # Of mirrored traffic alone nothing else is judged.
        judged = needed if percent else ("agreement",)
        wanted = needed if percent == last else dict.fromkeys(judged, float(plan.minimum.units))
        arriving = {name: units_per_s * _arriving(plan, name, percent) / 100 for name in wanted}
        units = {name: _units(name, one, percent, past) for name, one in arriving.items()}
        taking = {name: count / units[name] / 3600 for name, count in wanted.items()}
        slowest = max(taking, key=lambda name: taking[name])
        steps.append(StepEstimate(percent, max(plan.minimum.minutes / 60, taking[slowest])))
    hours = sum(step.hours for step in steps)
    as_one = {name: arriving[name] / units[name] for name in needed}
    return Estimate(tuple(steps), hours, needed, as_one, slowest)


def _allowed(criterion: Criterion, control: float) -> float:
    return control + criterion.margin if criterion.paired else criterion.margin


def _to_promote(
    plan: RolloutPlan, criterion: Criterion, rates: tuple[float, float], share: float
) -> float:
    if rates[0] > _allowed(criterion, rates[1]):
        return math.inf
    told = units_needed(criterion, rates=rates, share=share, alpha=plan.alpha, ways=1)
    return max(float(plan.minimum.units), told)


def _units(metric: str, executions_per_s: float, percent: float, past: Past | None) -> float:
    """Return how many units of a metric so many executions are, both a second."""
    if past is None or metric not in QUANTILES:
        return executions_per_s
    return past.weighing_per_s(executions_per_s, percent)


def _arriving(plan: RolloutPlan, metric: str, percent: float) -> float:
    """Return how many percent of the traffic are units of a metric at a step of so many."""
    agreement = plan.judge.agreement
    if agreement is not None and metric == "agreement":
        # Of mirrored traffic, whatever the step.
        return agreement.mirror_percent
    return percent
