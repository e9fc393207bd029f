"""Latency as a rate: how many answers are slower than a line that was drawn beforehand."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

#: Of the core's histograms of latency, in ns, up to half an hour: the same in every process, so
#: that they merge by adding counts. Sixteen to a doubling: 3.1 to 6.3 %.
EDGES_NS: Final = tuple((16 + part) << doubling for doubling in range(12, 37) for part in range(16))
#: Metric of a plan → the quantile that it is.
QUANTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
#: Below as many answers a quantile of 0.99 says nothing.
LEAST_HISTORY: Final = 1_000


@dataclass(frozen=True, slots=True)
class SlowLines:
    """From where on an answer is slow, in ns.

    If quantile(candidate) <= ratio * quantile(control), then no more of the candidate's answers
    are beyond ``candidate_ns`` than of the control's are beyond ``control_ns``, where this is that
    quantile: a comparison of quantiles is one of two rates. The line has to be drawn from what
    was before the rollout, or before a step; if load has moved the quantile since, the comparison
    is that of the quantile where the line is now.
    """

    candidate_ns: int
    control_ns: int

    @staticmethod
    def of_history(counts: Sequence[int], quantile: float, max_ratio: float) -> "SlowLines":
        """Return the lines by the baseline's histogram at EDGES_NS (below the first, between ...).

        Raises:
            ValueError: the histogram is not one, or of too few answers.
        """
        if len(counts) != len(EDGES_NS) + 1 or min(counts) < 0:
            raise ValueError(
                f"expected {len(EDGES_NS) + 1} counts, none below 0, one more than there are "
                f"edges, not {len(counts)}"
            )
        total = sum(counts)
        if total < LEAST_HISTORY:
            raise ValueError(
                f"expected the latency of at least {LEAST_HISTORY} answers, not of {total}: let "
                "the baseline serve for longer before the rollout"
            )
        control = min(_rank(counts, quantile), len(EDGES_NS) - 1)
        # Not below the ratio: a candidate that keeps within it has no more that are slow.
        beyond = bisect.bisect_left(EDGES_NS, EDGES_NS[control] * (max_ratio - 1e-9))
        return SlowLines(EDGES_NS[min(beyond, len(EDGES_NS) - 1)], EDGES_NS[control])


def quantile(counts: Sequence[int], part: float) -> float:
    """Return the latency in ms that ``part`` of all answers had at most; NaN where there are none.

    It is as exact as EDGES_NS are close, and never too low.
    """
    if not sum(counts):
        return math.nan
    return _edge_ms(min(_rank(counts, part), len(EDGES_NS) - 1))


def quantiles(counts: Sequence[int]) -> dict[str, float]:
    """Return p50, p95 and p99 in ms, of a histogram that has answers."""
    return {name: quantile(counts, part) for name, part in QUANTILES.items()}


def _edge_ms(number: int) -> float:
    return EDGES_NS[number] / 1e6


def _rank(counts: Sequence[int], quantile: float) -> int:
    reached = np.cumsum(np.array(counts, dtype=np.int64))
    return int(np.searchsorted(reached, quantile * int(reached[-1]), side="left"))
