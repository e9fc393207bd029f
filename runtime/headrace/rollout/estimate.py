"""How long a plan takes, before it begins."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.bets import STAKES, Units, gains
from headrace.rollout.criteria import criteria
from headrace.rollout.evidence import Criterion


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """Of one step: its share, and for how long a candidate stays there if it is as good."""

    percent: float
    hours: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of a rollout of a candidate that is as good as the control.

    Attributes:
        slowest: the metric whose proof takes longest.
        promotion_units: how many units of it the candidate needs at the last step.
        fits: whether all of it is within the plan's max_hours.
    """

    steps: tuple[StepEstimate, ...]
    hours: float
    slowest: str
    promotion_units: float
    fits: bool


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
    against = control + criterion.margin if criterion.paired else criterion.margin
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
    plan: RolloutPlan, *, units_per_s: float, rates: Mapping[str, tuple[float, float]]
) -> Estimate:
    """Return how long a plan takes for a candidate that is as good as the control.

    ``units_per_s`` are of all traffic of the model. ``rates`` are, by metric, how bad a unit is on
    average of candidate and control; a quantile's are the shares beyond its two lines.

    Raises:
        ValueError: there is no traffic, or a metric without rates.
    """
    asked = criteria(plan)
    if not units_per_s > 0.0:
        raise ValueError(f"expected traffic above 0 units a second, not {units_per_s:g}")
    if missing := [one.name for one in asked if one.name not in rates]:
        raise ValueError(f"expected the rates of {missing[0]!r}, too")
    steps = []
    for percent in plan.shares_percent:
        wanted = float(plan.minimum.units)
        if percent == plan.shares_percent[-1]:
            needed = {
                one.name: units_needed(
                    one,
                    rates=rates[one.name],
                    share=0.5 if plan.control == "own" else percent / 100,
                    alpha=plan.alpha,
                    ways=1,
                )
                for one in asked
            }
            slowest = max(needed, key=lambda name: needed[name])
            wanted = max(wanted, needed[slowest])
        arriving = units_per_s * (percent or _mirrored(plan)) / 100
        hours = max(plan.minimum.minutes / 60, wanted / arriving / 3600)
        steps.append(StepEstimate(percent, hours))
    total = sum(step.hours for step in steps)
    return Estimate(tuple(steps), total, slowest, needed[slowest], total <= plan.max_hours)


def _mirrored(plan: RolloutPlan) -> float:
    agreement = plan.judge.agreement
    return agreement.mirror_percent if agreement is not None else 100.0
