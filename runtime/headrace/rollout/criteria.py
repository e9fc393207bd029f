"""What a plan asks of each metric, as rates of badness from 0 to 1."""

from headrace.config.rollouts import GUARDS, ErrorsWithin, Judge, RolloutPlan, ValueWithin
from headrace.rollout.evidence import Criterion
from headrace.rollout.latency import QUANTILES

#: Of guards, where errors are not judged: the margin of those.
MARGIN_POINTS = ErrorsWithin().max_increase_points


def criteria(plan: RolloutPlan) -> tuple[Criterion, ...]:
    """Return what is judged, in an order that is always the same.

    Of a quantile the ratio is in the lines that say what is slow, so that its margin is 0.
    """
    judge = plan.judge
    found = []
    if judge.errors is not None:
        found.append(Criterion("errors", judge.errors.max_increase_points / 100))
    found += [Criterion(name, 0.0) for name in QUANTILES if getattr(judge, name) is not None]
    found += _agreement(judge)
    if judge.accuracy is not None:
        found.append(Criterion("accuracy", judge.accuracy.max_drop_points / 100))
    for name, asked in sorted(judge.values.items()):
        found.append(Criterion(name, asked.max_loss / (asked.high - asked.low)))
    return tuple(found)


def guards(plan: RolloutPlan) -> tuple[Criterion, ...]:
    """Return what is looked at beside that, with the margin of errors."""
    asked = plan.judge.errors
    points = MARGIN_POINTS if asked is None else asked.max_increase_points
    return tuple(Criterion(name, points / 100, guard=True) for name in GUARDS)


def _agreement(judge: Judge) -> list[Criterion]:
    asked = judge.agreement
    if asked is None:
        return []
    if asked.min_percent is not None:
        return [Criterion("agreement", 1 - asked.min_percent / 100, paired=False)]
    return [Criterion("agreement", (asked.max_drop_points or 0.0) / 100)]


def quantiles(plan: RolloutPlan) -> dict[str, tuple[float, float]]:
    """Return the quantiles of latency that a plan judges, each with the ratio that it allows."""
    return {
        name: (part, asked.max_ratio)
        for name, part in QUANTILES.items()
        if (asked := getattr(plan.judge, name)) is not None
    }


def by_labels(judge: Judge) -> list[str]:
    """Return what of it labels tell."""
    return ["accuracy"] * (judge.accuracy is not None) + sorted(judge.values)


def badness(asked: ValueWithin, value: float) -> float:
    """Return how bad a unit was by a number of its own, from 0 (best) to 1."""
    share = (min(max(value, asked.low), asked.high) - asked.low) / (asked.high - asked.low)
    return 1.0 - share if asked.better == "higher" else share


def mean(asked: ValueWithin, bad: float) -> float:
    """Return the number that units had on average, of how bad they were."""
    share = 1.0 - bad if asked.better == "higher" else bad
    return asked.low + share * (asked.high - asked.low)


def mean_change(asked: ValueWithin, bad: float) -> float:
    """Return by how much a mean is another, of by how much units are worse on average."""
    return (-bad if asked.better == "higher" else bad) * (asked.high - asked.low)
