"""Two arms of which each takes a request at a time and has work for most of its time.

A queue that is seldom empty is long or short for many seconds: all who come meanwhile are slow, or
none is. So a version against itself looks worse for a while, and better for another.

nice python -m tests.rollouts.queues tells how often the same version twice is sent back by p99, and
how soon one that takes longer, if each execution is a unit, if those that wait together are one,
and as the product counts.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from tests.rollouts.judges import Verdict, product
from tests.rollouts.stalls import APART_S, PLAN, Runs, runs
from tests.rollouts.streams import Arm
from tests.rollouts.trials import Trial, tell

from headrace.rollout.latency import LEAST_HISTORY

#: Of each arm, requests in a second.
PER_S: Final = 20.0
#: For which part of its time each has work, and whether it also stands still at times.
WORLDS: Final = (
    (0.1, True),
    (0.6, True),
    (0.8, True),
    (0.8, False),
    (0.9, False),
)
#: How many times as long each worse version takes.
WORSE: Final = (1.1, 1.5)


def arms(dice: np.random.Generator, busy: float, *, stalls: bool, slowdown: float) -> list[Runs]:
    """Return candidate and control, with the line that their plan draws."""
    apart_s, run_s = APART_S if stalls else math.inf, busy / PER_S
    before = runs(dice, PER_S, run_s=run_s, apart_s=apart_s)
    line_s = float(np.quantile(before.takes_s[:LEAST_HISTORY], 0.99))
    both = (runs(dice, PER_S, run_s=one, apart_s=apart_s) for one in (slowdown * run_s, run_s))
    return [replace(one, line_s=line_s) for one in both]


def sent_back(
    seed: int, busy: float, *, stalls: bool = True, slowdown: float = 1.0
) -> dict[str, Verdict]:
    """Return of one rollout, by what is a unit, when p99 sends it back.

    Of what has no latencies nothing is thought to swing.
    """
    both = arms(np.random.default_rng(seed), busy, stalls=stalls, slowdown=slowdown)
    whole = [one.arm() for one in both]
    judged = {
        "each execution": [Arm(one.units, {}) for one in whole],
        "those that wait together": [Arm(one.units, {}, together=one.together) for one in whole],
        "as the product counts": whole,
    }
    return {name: product(PLAN, *both)[0] for name, both in judged.items()}


def trials() -> Iterator[Trial]:
    """Yield the same version twice, and worse ones, in each world."""
    for busy, stalls in WORLDS:
        for slowdown in (1.0, *WORSE):
            name = f"busy {busy:g}{', stands still at times' * stalls}, {slowdown:g} times as long"
            run = partial(sent_back, busy=busy, stalls=stalls, slowdown=slowdown)
            yield Trial(name, run, worse=slowdown > 1)


def main() -> None:
    """Print how often each kind of unit is sent back in error, and how soon rightly."""
    tell(__doc__ or "", trials())


if __name__ == "__main__":
    main()
