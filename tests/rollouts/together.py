"""Executions that wait at the same time, as the core counts them (`meter/together.rs`)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from headrace.rollout.together import Together

Floats = NDArray[np.float64]

#: As many executions are looked back at.
KEPT: Final = 512


def together(came_s: Floats, ended_s: Floats, seconds: int) -> list[Together]:
    """Return, by second, the most executions so far that were there at one moment.

    ``came_s`` is when the first request of each came. Both rise: one lane takes them in turn.
    """
    place = np.arange(len(ended_s))
    first = np.maximum(np.searchsorted(ended_s, came_s, side="right"), place - KEPT)
    first = np.minimum(first, place)
    count, span_ns = place - first + 1, 1e9 * (came_s - came_s[first])
    # The most, and of as many those that came within the shortest time.
    best = np.maximum.accumulate(count - span_ns / 1e15)
    most = np.ceil(best)
    last = np.searchsorted(ended_s, np.arange(1, seconds + 1)) - 1
    return [
        Together(int(most[at]), round(1e15 * (most[at] - best[at]))) if at >= 0 else Together()
        for at in last
    ]
