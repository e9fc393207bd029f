"""Many rollouts of one kind and another, and a line on each of what was said of them."""

import argparse
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.rollouts.judges import Verdict


@dataclass(frozen=True)
class Trial:
    """Rollouts of one kind.

    Attributes:
        name: what is different between both arms, and how they are.
        sent_back: of a seed, when each kind of unit sends the candidate back.
        worse: it is; else it is the same version twice.
    """

    name: str
    sent_back: Callable[[int], dict[str, Verdict]]
    worse: bool


def tell(what: str, trials: Iterable[Trial]) -> None:
    """Print what came of each, as the command line asks, of a program whose docstring is this."""
    parser = argparse.ArgumentParser(description=what.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000, help="of the same version twice")
    parser.add_argument("--power-runs", type=int, default=200, help="of each worse one")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        for trial in trials:
            count = options.power_runs if trial.worse else options.runs
            said = list(pool.map(trial.sent_back, range(count), chunksize=5))
            print(f"{trial.name}, {count} rollouts", *_lines(said), sep="\n", flush=True)


def _lines(said: Sequence[dict[str, Verdict]]) -> Iterator[str]:
    for name in said[0]:
        seconds = [one[name] for one in said]
        until = sorted(math.inf if at is None else at for at in seconds)
        back = 1 - seconds.count(None) / len(said)
        yield f"  {name:30} back {back:6.3f}, seconds p50 {until[len(said) // 2]:5.0f}"
