"""Who judges the same two arms: the product, a test repeated each second, fixed thresholds."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tests.rollouts.levels import levels
from tests.rollouts.streams import SECONDS, Arm

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.bets import Units
from headrace.rollout.policy import MoveKind, next_move
from headrace.rollout.record import Record
from headrace.rollout.swings import STILL, WINDOWS, Batches, Swings
from headrace.rollout.together import ALONE
from headrace.rollout.weighing import observed

#: A verdict's second, or None where there was none.
Verdict = int | None
#: Of arms without latencies: as if it were known for long that nothing swings.
NEVER: Final = Swings(batches=(Batches(squares=1e9, pairs=10**9),) * len(WINDOWS))


def product(plan: RolloutPlan, candidate: Arm, control: Arm) -> tuple[Verdict, dict[str, Verdict]]:
    """Return when ``next_move``, asked each second, rolls back, and when each metric alone would.

    A metric alone is asked at the plan's alpha.
    """
    record = Record.begin(plan, candidate=2, baseline=1, now=0.0)
    names = [known.criterion.name for known in record.asked]
    alone: dict[str, Verdict] = dict.fromkeys(names)
    bound = math.log(1 / plan.alpha)
    verdict: Verdict = None
    candidate_level, control_level = levels(candidate), levels(control)
    swings = STILL if len(candidate.latency_ms) else NEVER
    for second in range(SECONDS):
        deltas = {
            name: (_units(candidate.units[name], second), _units(control.units[name], second))
            for name in names
        }
        most = (
            (candidate.together[second], control.together[second])
            if candidate.together
            else (ALONE, ALONE)
        )
        level = candidate_level[second], control_level[second]
        record, swings = observed(record, swings, deltas, level, most, passed_s=1.0)
        for known in record.asked:
            if alone[known.criterion.name] is None and known.log_harm >= bound:
                alone[known.criterion.name] = second
        if verdict is None and next_move(plan, record, second).kind is MoveKind.ROLL_BACK:
            verdict = second
        if verdict is not None and (len(names) == 1 or None not in alone.values()):
            break
    return verdict, alone


def _units(stream: tuple[NDArray[Any], NDArray[Any]], second: int) -> Units:
    return Units(float(stream[0][second]), float(stream[1][second]))


def repeated_test(candidate: Arm, control: Arm, metric: str, *, alpha: float) -> Verdict:
    """Return when a one-sided z-test of two shares of requests, made each second, first rejects.

    It waits for five bad requests in each arm, as textbooks ask.
    """
    n, x = (np.cumsum(part) for part in candidate.requests[metric])
    m, y = (np.cumsum(part) for part in control.requests[metric])
    pooled = (x + y) / np.maximum(n + m, 1)
    per_request = 1 / np.maximum(n, 1) + 1 / np.maximum(m, 1)
    error = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * per_request)
    z = (x / np.maximum(n, 1) - y / np.maximum(m, 1)) / error
    return _first((np.minimum(x, y) >= 5) & (z > NormalDist().inv_cdf(1 - alpha)))


def repeated_share(
    count: NDArray[Any], bad: NDArray[Any], allowed: float, *, alpha: float
) -> Verdict:
    """Return when the same test of one share, against one that is allowed, first rejects."""
    n, x = np.cumsum(count), np.cumsum(bad)
    z = (x - allowed * n) / np.sqrt(np.maximum(n, 1) * allowed * (1 - allowed))
    return _first((x >= 5) & (z > NormalDist().inv_cdf(1 - alpha)))


@dataclass(frozen=True)
class Thresholds:
    """Fixed limits on the candidate alone, looked at once in an interval.

    Attributes:
        interval_s: between looks, and over which a value is taken.
        failures: how many looks may fail; one more ends the rollout.
        least_percent: of requests that are good, by metric.
        most_p99_ms: of latency.
    """

    interval_s: int
    failures: int
    least_percent: Mapping[str, float]
    most_p99_ms: float


#: As in Flagger's documentation: each minute, success 99 %, p99 500 ms, the fifth failed check
#: ends it (`threshold: 5`; the code's own default is 1). Agreement is a metric of one's own there.
FLAGGER: Final = Thresholds(60, 4, {"errors": 99.0, "agreement": 97.0}, 500.0)
#: As in Argo Rollouts' documentation: each five minutes, success 95 %, failureLimit 3 (the code's
#: own default is 0). It has no rule for latency; the same 500 ms.
ARGO: Final = Thresholds(300, 3, {"errors": 95.0, "agreement": 97.0}, 500.0)


def thresholds(limits: Thresholds, candidate: Arm, metric: str) -> Verdict:
    """Return when fixed limits end a rollout, by one metric."""
    failed = 0
    for end in range(limits.interval_s, SECONDS + 1, limits.interval_s):
        begin = end - limits.interval_s
        if metric == "p99":
            inside = (candidate.ended_s >= begin) & (candidate.ended_s < end)
            latency = candidate.latency_ms[inside]
            fails = len(latency) > 0 and float(np.quantile(latency, 0.99)) > limits.most_p99_ms
        else:
            count, bad = (float(part[begin:end].sum()) for part in candidate.requests[metric])
            fails = count > 0 and 100 * (1 - bad / count) < limits.least_percent[metric]
        failed += fails
        if failed > limits.failures:
            return end - 1
    return None


#: The peers of the product, by the name that tables and pictures have.
PEERS: Final[dict[str, Callable[[Arm, Arm, str], Verdict]]] = {
    "z-test each second": lambda new, old, metric: repeated_test(new, old, metric, alpha=0.05),
    "Flagger's example": lambda new, _, metric: thresholds(FLAGGER, new, metric),
    "Argo's example": lambda new, _, metric: thresholds(ARGO, new, metric),
}


def exposed(arm: Arm, metric: str, verdict: Verdict) -> float:
    """Return how many requests the arm had answered by then."""
    end = SECONDS if verdict is None else verdict + 1
    return float(arm.requests[metric][0][:end].sum())


def _first(fires: NDArray[Any]) -> Verdict:
    return int(np.argmax(fires)) if fires.any() else None
