"""How long a rollout will take at the traffic of now, by what the gateway has counted. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from headrace.config.rollouts import RolloutPlan
from headrace.console.rates import Counts, Reading, beyond, quantile
from headrace.rollout.criteria import criteria, quantiles
from headrace.rollout.estimate import Estimate, estimate
from headrace.rollout.latency import LEAST_HISTORY
from headrace.rollout.past import Past

#: Of pairs of answers, how many are thought to differ: nothing was compared yet.
DIFFERING: Final = 0.01
#: Requests in a batch from which on a candidate's batches are smaller than its baseline's.
TOGETHER: Final = 1.05


@dataclass(frozen=True)
class Traffic:
    """Of a baseline that has all of it, over a few seconds; a unit is an execution."""

    requests_per_s: float
    answers_per_s: float
    units_per_s: float
    over_s: float


@dataclass(frozen=True)
class Forecast:
    """Of a rollout of a candidate that is as good as its baseline.

    Attributes:
        rates: by metric, how bad a unit of candidate and baseline is on average, from 0 to 1.
        measuring_hours: before the first step, until the baseline's latency is known.
        estimate: None where nothing can be said; ``notes`` say why.
        notes: what it was reckoned with, and what may make it wrong, in words.
    """

    traffic: Traffic
    rates: Mapping[str, tuple[float, float]]
    measuring_hours: float
    estimate: Estimate | None
    notes: tuple[str, ...]

    @property
    def hours(self) -> float:
        """All of it; infinite where it is never decided, NaN where nothing can be said."""
        return math.nan if self.estimate is None else self.measuring_hours + self.estimate.hours


def forecast(  # noqa: PLR0913 - all of this makes it longer or shorter
    plan: RolloutPlan,
    label: str,
    before: Reading,
    now: Reading,
    *,
    sticky: str = "",
    past: Past | None = None,
) -> Forecast:
    """Return how long a plan will take for a baseline, ``MODEL/VERSION``, by two readings.

    ``sticky``: what users are known by, where they are the units. ``past``: None where no rollout
    has known yet how many executions weigh as one.
    """
    traffic = _traffic(label, before, now)
    rates, notes = expected(plan, label, now.versions.get(label, Counts()))
    if before.started != now.started:
        return Forecast(traffic, rates, math.nan, None, ("the gateway began anew: ask again",))
    if sticky:
        users = (
            f"users are the units, by {sticky}, each once a step: how many come is not known before"
        )
        return Forecast(traffic, rates, math.nan, None, (users, *notes))
    if traffic.units_per_s <= 0.0:
        idle = f"{label} ran nothing in {traffic.over_s:.3g} s: without traffic nothing is decided"
        return Forecast(traffic, rates, math.nan, None, (idle, *notes))
    measuring = 0.0
    if quantiles(plan):
        measuring = _hours(LEAST_HISTORY, traffic.answers_per_s)
    if any(one.name not in rates for one in criteria(plan)):
        return Forecast(traffic, rates, measuring, None, notes)
    told = estimate(plan, units_per_s=traffic.units_per_s, rates=rates, past=past)
    if of_latency := [name for name in told.as_one if name in quantiles(plan)]:
        notes += (_weighing(of_latency, told.as_one[of_latency[0]], past),)
    notes += tuple(
        f"{name} is never proven by a candidate that is just as good: allow more"
        for name, units in told.needed.items()
        if math.isinf(units)
    )
    if plan.kind == "a/a":
        notes += (f"a/a goes on for {plan.max_hours:g} h, however soon it could be decided",)
    together = traffic.requests_per_s / traffic.units_per_s
    if together >= TOGETHER:
        notes += (
            f"{together:.3g} requests share a batch: a candidate with few of them has smaller "
            "batches, and more, so that it may take less time",
        )
    return Forecast(traffic, rates, measuring, told, notes)


def _weighing(names: Sequence[str], as_one: float, past: Past | None) -> str:
    of = ", ".join(names)
    if past is None:
        return (
            f"of {of} each execution is reckoned as one unit: how many wait "
            "together, or are slow for a while, no rollout has told yet, and it takes as many "
            "times longer"
        )
    if as_one <= 1.0:
        return f"of {of} each execution is reckoned as one unit, as in rollout {past.number}"
    return (
        f"of {of} {as_one:.3g} executions are reckoned as one unit at the last step, by what "
        f"waited together, or was slow for a while, in rollout {past.number}"
    )


def expected(
    plan: RolloutPlan, label: str, counts: Counts
) -> tuple[dict[str, tuple[float, float]], tuple[str, ...]]:
    """Return how bad units will be by each metric that something is known of, and notes.

    As bad as those of the baseline since its gateway began; of a quantile they are the parts of
    answers beyond it (the baseline's) and beyond as many times it as the plan allows.
    """
    rates: dict[str, tuple[float, float]] = {}
    notes: list[str] = []
    if counts.batches > 0:
        failed = min(counts.broken / counts.batches, 1.0)
        rates["errors"] = failed, failed
    for name, (part, ratio) in quantiles(plan).items():
        at_most = quantile(counts.within.items(), part)
        if at_most is not None:
            slow = 1.0 - part
            rates[name] = min(beyond(counts.within.items(), ratio * at_most), slow), slow
    if plan.judge.agreement is not None:
        rates["agreement"] = DIFFERING, DIFFERING
        notes.append(
            f"agreement is reckoned with {100 * DIFFERING:g} % of pairs that differ: how many "
            "will is not known before any is compared"
        )
    asked = {one.name for one in criteria(plan)}
    notes += [
        f"{label} has counted nothing yet that tells of {name}"
        for name in sorted(asked - rates.keys())
    ]
    return {name: pair for name, pair in rates.items() if name in asked}, tuple(notes)


@dataclass(frozen=True)
class Carried:
    """How a version is carried now: on how many hosts, and what each holds in memory, if known."""

    hosts: int
    host_bytes: int | None


def resources(
    plan: RolloutPlan, candidate: int, carried: Carried, baseline: Carried, traffic: Traffic
) -> list[str]:
    """Return what a rollout takes of the machines, in words."""
    most = plan.shares_percent[-1]
    hosts = f"{carried.hosts} host{'' if carried.hosts == 1 else 's'}"
    comes = f"{traffic.requests_per_s * most / 100:.3g} requests/s as it is now"
    told = []
    if plan.stands_twice:
        size = "what it takes is known once it is loaded"
        if baseline.host_bytes is not None:
            held = carried.hosts * baseline.host_bytes / (1 << 20)
            size = f"{held:.0f} MiB of memory, as much as hosts of that version hold now"
        told.append(f"who has the traffic is loaded a second time, on {hosts} more: {size}")
    if plan.kind == "a/a":
        return [*told, f"{most:g} % of the traffic, {comes}, go there until the test ends"]
    if not plan.stands_twice:
        told.append(
            f"version {candidate} is loaded, on {hosts}; no more are started (control: baseline)"
        )
    told.append(f"up to {most:g} % of the traffic comes to it, {comes}, before it has all of it")
    if plan.judge.agreement is not None:
        mirrored = plan.judge.agreement.mirror_percent
        copies = traffic.requests_per_s * mirrored / 100
        told.append(
            f"copies of {mirrored:g} % of the traffic, {copies:.3g} requests/s, run on it and wait "
            "behind requests"
        )
    return told


def forecast_json(plan: RolloutPlan, found: Forecast) -> dict[str, Any]:
    """Return what is said of time as ``GET /api/rollout/estimate`` has it; never is None."""
    told = found.estimate
    needed = {} if told is None else told.needed
    return {
        "traffic": asdict(found.traffic),
        "metrics": [
            {
                "name": name,
                "candidate_bad_percent": 100 * candidate,
                "control_bad_percent": 100 * control,
                "units": _finite(needed.get(name, math.inf)),
                "weigh_as_one": 1.0 if told is None else told.as_one[name],
            }
            for name, (candidate, control) in found.rates.items()
        ],
        "measuring_hours": _finite(found.measuring_hours),
        "steps": [
            {"percent": one.percent, "hours": _finite(one.hours)}
            for one in (() if told is None else told.steps)
        ],
        "hours": _finite(found.hours),
        "max_hours": plan.max_hours,
        "slowest": None if told is None else told.slowest,
        # One of a version against itself ends with its time, however much it has seen.
        "fits": None if told is None else plan.kind == "a/a" or found.hours <= plan.max_hours,
        "notes": list(found.notes),
    }


def _traffic(label: str, before: Reading, now: Reading) -> Traffic:
    old, new = before.versions.get(label, Counts()), now.versions.get(label, Counts())
    seconds = now.at - before.at
    if before.started != now.started or seconds <= 0.0:
        return Traffic(0.0, 0.0, 0.0, max(seconds, 0.0))
    answers = new.succeeded - old.succeeded
    return Traffic(
        (answers + new.failed - old.failed) / seconds,
        answers / seconds,
        (new.batches - old.batches) / seconds,
        seconds,
    )


def _hours(count: float, per_s: float) -> float:
    return count / per_s / 3600 if per_s > 0.0 else math.inf


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
