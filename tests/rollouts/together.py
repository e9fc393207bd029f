"""Who waits at the same time, as the core counts it (`meter/together.rs`)."""

import numpy as np
from numpy.typing import NDArray

from headrace.rollout.together import Together

Floats = NDArray[np.float64]


def together(came_s: Floats, ran_s: Floats, seconds: int) -> list[Together]:
    """Return, by second, the most executions so far that waited at one moment.

    ``came_s`` is when the first request of each was admitted, ``ran_s`` when it began to run.
    """
    order = np.argsort(ran_s, kind="stable")
    came, ran = came_s[order], ran_s[order]
    first = np.searchsorted(ran, came, side="right").tolist()
    most, told, second = Together(), [], 1
    for place, since in enumerate(came.tolist()):
        while ran[place] >= second and second <= seconds:
            told.append(most)
            second += 1
        there = came[first[place] : place]
        there = there[there <= since]
        if len(there) + 1 >= most.count:
            span_s = since - float(there.min(initial=since))
            most = most.most(Together(len(there) + 1, round(1e9 * span_s)))
    return [*told, *[most] * (seconds - len(told))]
