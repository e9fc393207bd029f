"""A lane that takes what waits as soon as it is free (docs/batching.md), in virtual time."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_ROWS: Final = 16
#: What a batch takes: BASE_S + ROW_S a row, times what noise there is.
BASE_S: Final = 0.105
ROW_S: Final = 0.002
#: A batch in so many finds the machine busy, and takes so many times as long.
STALL_ONE_IN: Final = 150
STALL_TIMES: Final = 2.5
#: For how long a new process is slower, and how much at first: caches are cold.
COLD_S: Final = 30.0
COLD_TIMES: Final = 1.0


@dataclass(frozen=True)
class Batches:
    """What ran in one arm.

    Attributes:
        came_s, ran_s, ended_s: of each batch, when its first request came, and it began and ended.
        rows: of each batch.
        batch: of each request, the place of its batch.
        latency_ms: of each request.
    """

    came_s: Floats
    ran_s: Floats
    ended_s: Floats
    rows: NDArray[np.int64]
    batch: NDArray[np.int64]
    latency_ms: Floats


def run(arrivals_s: Floats, dice: np.random.Generator, *, slowdown: float) -> Batches:
    """Return the batches of one lane for requests that come at these moments, in order."""
    most = len(arrivals_s)
    noise = dice.lognormal(0.0, 0.2, most)
    noise[dice.random(most) < 1 / STALL_ONE_IN] *= STALL_TIMES
    came, factor = arrivals_s.tolist(), (noise * slowdown).tolist()
    began: list[float] = []
    ended: list[float] = []
    rows: list[int] = []
    first, free = 0, 0.0
    while first < most:
        begins = max(free, came[first])
        last = first + 1
        while last < most and last - first < MAX_ROWS and came[last] <= begins:
            last += 1
        cold = 1.0 + COLD_TIMES * max(0.0, 1.0 - begins / COLD_S)
        free = begins + (BASE_S + ROW_S * (last - first)) * factor[len(ended)] * cold
        began.append(begins)
        ended.append(free)
        rows.append(last - first)
        first = last
    batch = np.repeat(np.arange(len(rows)), rows)
    latency_ms = 1e3 * (np.array(ended)[batch] - arrivals_s)
    firsts = np.cumsum(rows) - rows
    times = arrivals_s[firsts], np.array(began), np.array(ended)
    return Batches(*times, np.array(rows), batch, latency_ms)
