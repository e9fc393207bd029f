"""Two arms whose machines are faster or slower for a while, each by itself: neighbours are noisy.

Nobody waits for anybody, so that no moment tells who was slow together.

nice python -m tests.rollouts.neighbours tells how often the same version twice is sent back by p99,
and how soon one that takes longer, if each execution is a unit and as the product counts.
"""

import math
from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tests.rollouts.judges import Verdict, product
from tests.rollouts.queues import PER_S
from tests.rollouts.stalls import PLAN, RUN_S, Runs
from tests.rollouts.streams import SECONDS, Arm
from tests.rollouts.trials import Trial, tell

Floats = NDArray[np.float64]

#: Of the logarithm of what an execution takes: by itself, and how far it goes with the machine; for
#: how many seconds the machine remembers.
EACH: Final = 0.2
WORLDS: Final = ((0.02, 20.0), (0.05, 5.0), (0.05, 20.0), (0.1, 60.0))
#: How many times as long each worse version takes.
WORSE: Final = (1.1, 1.5)
#: The machine's speed is thrown anew so often.
EVERY_S: Final = 0.1


def arm(dice: np.random.Generator, swing: float, lasts_s: float, slowdown: float) -> Runs:
    """Return what one process does, which runs each request as it comes."""
    came = np.sort(dice.uniform(0, SECONDS, dice.poisson(PER_S * SECONDS)))
    kept = math.exp(-EVERY_S / lasts_s)
    thrown = dice.normal(0.0, 1.0, round(SECONDS / EVERY_S))
    thrown[1:] *= math.sqrt(1 - kept**2)
    # Of first order, autoregressive, and of a variance of 1 throughout.
    speed = np.array(list(accumulate(thrown.tolist(), lambda before, new: kept * before + new)))
    logs = dice.normal(0.0, EACH, len(came)) + swing * speed[(came / EVERY_S).astype(int)]
    line_s = RUN_S * math.exp(NormalDist().inv_cdf(0.99) * math.hypot(EACH, swing))
    return Runs(came, came, came + slowdown * RUN_S * np.exp(logs), line_s)


def sent_back(seed: int, swing: float, lasts_s: float, slowdown: float = 1.0) -> dict[str, Verdict]:
    """Return of one rollout, by what is a unit, when p99 sends it back."""
    dice = np.random.default_rng(seed)
    both = [arm(dice, swing, lasts_s, slow).arm() for slow in (slowdown, 1.0)]
    alone = [Arm(one.units, {}) for one in both]
    return {
        "each execution": product(PLAN, *alone)[0],
        "as the product counts": product(PLAN, *both)[0],
    }


def trials() -> Iterator[Trial]:
    """Yield the same version twice, and worse ones, in each world."""
    for swing, lasts_s in WORLDS:
        for slowdown in (1.0, *WORSE):
            name = f"{swing:g} for {lasts_s:g} s, {slowdown:g} times as long"
            run = partial(sent_back, swing=swing, lasts_s=lasts_s, slowdown=slowdown)
            yield Trial(name, run, worse=slowdown > 1)


def main() -> None:
    """Print how often each kind of unit is sent back in error, and how soon rightly."""
    tell(__doc__ or "", trials())


if __name__ == "__main__":
    main()
