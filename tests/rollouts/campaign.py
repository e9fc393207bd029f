"""Many rollouts on throws of seeded dice, and what each judge said of them."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from tests.rollouts import judges, stalls
from tests.rollouts.streams import SAME, Arm, Version, World, executions, users

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.latency import EDGES_NS, SlowLines

#: Seeds of rollouts begin behind those of the histories that lines of latency are drawn from.
FIRST_SEED: Final = 1_000


@dataclass(frozen=True)
class Scenario:
    """One kind of rollout.

    Attributes:
        sticky: users stay with their arm, and are the units.
        metrics: that are judged; all together in the first verdict, and each alone.
        margins: what is allowed, or nothing at all: the edge of the hypothesis.
        stalls: processes stand still now and then, each by itself.
    """

    name: str
    candidate: Version
    sticky: bool
    metrics: tuple[str, ...]
    margins: bool
    stalls: bool = False

    @property
    def plan(self) -> RolloutPlan:
        """The plan that it is judged by: one share, an arm of 5 %."""
        asked = {
            "errors": {"max_increase_points": 0.5 if self.margins else 0.0},
            "p99": {"max_ratio": 1.1 if self.margins else 1.0},
            "agreement": {"max_drop_points": 1.0 if self.margins else 0.0},
        }
        judge = {name: asked[name] for name in self.metrics}
        return RolloutPlan.model_validate(
            {"kind": "a/b", "steps_percent": [5.0], "judge": judge, "max_hours": 1.0}
        )


BURSTS: Final = ("errors", "p99", "agreement")
STICKY: Final = ("errors", "agreement")
#: Slower by as much as makes p99 half as long again: who waits for the batch before waits longer.
SLOW: Final = Version(slowdown=1.36)
SCENARIOS: Final = (
    Scenario("a/a, bursts", SAME, False, BURSTS, False),
    Scenario("a/a, stalls", SAME, False, ("p99",), False, stalls=True),
    Scenario("a/a, sticky users", SAME, True, STICKY, False),
    Scenario("a/a, sticky users, stalls", SAME, True, ("p99",), False, stalls=True),
    Scenario("errors 1 to 3 %", Version(failing=0.018), False, ("errors",), True),
    Scenario("p99 +50 %", SLOW, False, ("p99",), True),
    Scenario("agreement 99 to 95 %", Version(agreement=0.95), False, ("agreement",), True),
    Scenario("errors 1 to 3 %, sticky users", Version(failing=0.018), True, ("errors",), True),
)


def lines(max_ratio: float) -> SlowLines:
    """Return the lines of p99 by five histories of the baseline, as a server would have them."""
    counts = np.zeros(len(EDGES_NS) + 1, dtype=np.int64)
    for seed in range(5):
        dice = np.random.default_rng(seed)
        arm = executions(SAME, World.thrown(dice), dice, {})
        places = np.searchsorted(EDGES_NS, 1e6 * arm.latency_ms, side="right")
        counts += np.bincount(places, minlength=len(counts))
    return SlowLines.of_history(counts.tolist(), 0.99, max_ratio)


def arms(scenario: Scenario, drawn: SlowLines, seed: int) -> tuple[Arm, Arm]:
    """Return candidate and control of one rollout."""
    dice = np.random.default_rng(seed)
    if scenario.stalls:
        return stalls.arms_of_users(dice) if scenario.sticky else stalls.arms_of_runs(dice)
    world = World.thrown(dice)
    if scenario.sticky:
        return users(scenario.candidate, world, dice), users(SAME, world, dice)
    return (
        executions(scenario.candidate, world, dice, {"p99": drawn.candidate_ns / 1e6}),
        executions(SAME, world, dice, {"p99": drawn.control_ns / 1e6}),
    )


def rollout(scenario: Scenario, drawn: SlowLines, seed: int) -> dict[str, tuple[Any, float]]:
    """Return of one rollout each judge's second and the requests it let through, by its name."""
    candidate, control = arms(scenario, drawn, seed)
    together, alone = judges.product(scenario.plan, candidate, control)
    first = scenario.metrics[0]
    said = {"Headrace, all metrics": (together, judges.exposed(candidate, first, together))}
    for metric in scenario.metrics:
        verdicts = {"Headrace": alone[metric]} | {
            name: judge(candidate, control, metric) for name, judge in judges.PEERS.items()
        }
        for name, verdict in verdicts.items():
            said[f"{name}, {metric}"] = verdict, judges.exposed(candidate, metric, verdict)
    return said


def campaign(scenario: Scenario, runs: int, processes: int) -> dict[str, dict[str, list[Any]]]:
    """Return, by judge, the ``seconds`` (None: never) and ``requests`` of so many rollouts."""
    drawn = lines(1.1 if scenario.margins else 1.0)
    one = partial(rollout, scenario, drawn)
    seeds = range(FIRST_SEED, FIRST_SEED + runs)
    if processes == 1:
        return gathered(map(one, seeds))
    with ProcessPoolExecutor(processes) as pool:
        return gathered(pool.map(one, seeds, chunksize=5))


def gathered(said: Iterable[dict[str, tuple[Any, float]]]) -> dict[str, dict[str, list[Any]]]:
    """Return, by judge, what `campaign` does, of what each rollout said."""
    found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {"seconds": [], "requests": []})
    for verdicts in said:
        for name, (second, requests) in verdicts.items():
            found[name]["seconds"].append(second)
            found[name]["requests"].append(requests)
    return dict(found)


def lines_of(found: dict[str, dict[str, list[Any]]]) -> Iterator[str]:
    """Yield a line for each judge."""
    for judge, said in found.items():
        told = summary(said)
        yield (
            f"  {judge:32} back {told['rolled_back']:6.3f}, requests p50 "
            f"{told['requests_p50']:7.0f} p90 {told['requests_p90']:7.0f}"
        )


def summary(of_judge: dict[str, list[Any]]) -> dict[str, float]:
    """Return how often a judge rolled back, and after how many requests (infinite: not by then)."""
    fired = [second is not None for second in of_judge["seconds"]]
    until = [
        requests if back else math.inf
        for requests, back in zip(of_judge["requests"], fired, strict=True)
    ]
    ordered = sorted(until)
    return {
        "rolled_back": sum(fired) / len(fired),
        "requests_p50": ordered[len(ordered) // 2],
        "requests_p90": ordered[len(ordered) * 9 // 10],
    }
