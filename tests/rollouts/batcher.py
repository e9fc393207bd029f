"""Rollouts through the core's own batcher: how often the same version twice is sent back.

nice python -m tests.rollouts.batcher --json target/batcher.json
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tests.rollouts.campaign import gathered, lines_of
from tests.rollouts.judges import Verdict, repeated_share, repeated_test
from tests.rollouts.node import MODEL, Node, build, node
from tests.rollouts.streams import SAME, Arm, Version

from headrace.config.rollouts import RolloutPlan
from headrace.control.steering import judged, shares
from headrace.control.traffic import Traffic
from headrace.execution.policy import Division, Epoch, table
from headrace.models.lifecycle import Standing, State
from headrace.rollout.counted import counted
from headrace.rollout.course import Course, End, Sight, Way
from headrace.rollout.latency import EDGES_NS
from headrace.rollout.looking import looked

#: How long a rollout is watched, a look a second: two days of that node.
SECONDS: Final = 600
#: As many of a node's copies are another answer, or none since their batch fails.
DIFFERENT: Final = 0.02
METRICS: Final = ("errors", "p99", "agreement")
JUDGES: Final = (
    "Headrace, all metrics",
    *(f"{judge}, {metric}" for judge in ("Headrace", "z-test each second") for metric in METRICS),
)
READY: Final = {1: Standing(State.READY, ""), 2: Standing(State.READY, "")}


@dataclass(frozen=True)
class Scenario:
    """One kind of rollout."""

    name: str
    candidate: Version
    errors_points: float = 0.5
    p99_ratio: float = 1.1
    agreement_percent: float = 97.0

    @property
    def plan(self) -> RolloutPlan:
        """The plan that it is judged by: one share, an arm of 5 %."""
        agreement = {
            "min_percent": self.agreement_percent,
            "mirror_percent": 10.0,
            "repeatable": True,
        }
        judge = {
            "errors": {"max_increase_points": self.errors_points},
            "p99": {"max_ratio": self.p99_ratio},
            "agreement": agreement,
        }
        return RolloutPlan.model_validate(
            {"kind": "a/b", "steps_percent": [5.0], "judge": judge, "max_hours": 1.0}
        )


#: The first is at the edge of what is allowed by each metric.
SCENARIOS: Final = (
    Scenario("a/a", SAME, 0.0, 1.0, 100 * (1 - DIFFERENT)),
    Scenario("errors 1 to 3 %", Version(failing=0.018)),
    Scenario("twice as slow", Version(slowdown=2.0)),
    Scenario("agreement 98 to 94 %", Version(agreement=0.95)),
)


def policy(course: Course, sequence: int) -> str:
    """Return the table that a controller would make of a rollout."""
    routes = Traffic(judged=judged(course)).as_policy(MODEL)
    divided = {MODEL: Division(shares(course), routes)}
    return table(Epoch(1, sequence), {MODEL: READY}, divided=divided)


class Requests:
    """What a test that takes requests for units knows: totals, second by second."""

    def __init__(self) -> None:
        self._totals: dict[str, list[NDArray[Any]]] = {}

    def add(self, course: Course, ended: dict[int, tuple[int, int]]) -> None:
        """Take the totals of a second: of candidate and control, all and bad."""
        assert course.lines is not None
        (line,) = course.lines
        arms = zip(course.latency, (line.candidate_ns, line.control_ns), strict=True)
        rows = {
            "errors": [ended.get(version, (0, 0)) for version in course.versions],
            "p99": [
                (
                    sum(count for _, count in latency),
                    sum(count for place, count in latency if place > EDGES_NS.index(beyond)),
                )
                for latency, beyond in arms
            ],
            "agreement": [
                (known.candidate.count, known.candidate.bad)
                for known in course.record.asked
                if known.criterion.name == "agreement"
            ],
        }
        for name, row in rows.items():
            self._totals.setdefault(name, []).append(np.array(row, dtype=float))

    def verdict(self, metric: str) -> Verdict:
        """Return when a z-test, one-sided at 5 % and made each second, first rejects."""
        totals = np.diff(np.stack(self._totals[metric]), axis=0, prepend=0.0)
        arms = [(totals[:, at, 0], totals[:, at, 1]) for at in range(totals.shape[1])]
        if metric == "agreement":
            return repeated_share(*arms[0], DIFFERENT, alpha=0.05)
        candidate, control = (Arm({}, {metric: requests}) for requests in arms)
        return repeated_test(candidate, control, metric, alpha=0.05)


def rollout(on: Node, scenario: Scenario, seed: int) -> dict[str, tuple[Verdict, float]]:
    """Return of one rollout each judge's second and the requests it let through, by its name."""
    course = Course.begin(
        1, MODEL, scenario.plan, candidate=2, baseline=1, crashes=(0, 0), now=0.0, who="", why=""
    )
    on.begin(seed, scenario.candidate, policy(course, 1))
    requests, began = Requests(), 0
    said: dict[str, Verdict] = {}
    of_candidate: list[float] = []
    for second in range(SECONDS):
        evidence, ended = on.second()
        of_candidate.append(ended.get(2, (0, 0))[0])
        sight = Sight(tuple(counted(evidence)), dict.fromkeys((1, 2), Way.ANSWERS), {}, 1.0)
        after = looked(course, sight, float(second))
        if after.end is End.ROLLED_BACK:
            said.setdefault("Headrace, all metrics", second)
        # What it would see if it went on tells what a metric by itself would have said.
        after = replace(after, end=None)
        if (after.percent, after.judged) != (course.percent, course.judged):
            on.table(policy(after, second + 2))
            began = second + 1
        elif after.lines is not None:
            requests.add(after, ended)
        course = after
        for known in course.record.asked:
            if known.log_harm >= math.log(1 / course.plan.alpha):
                said.setdefault(f"Headrace, {known.criterion.name}", second)
    for metric in METRICS:
        at = requests.verdict(metric)
        said |= {} if at is None else {f"z-test each second, {metric}": at + began}
    seconds = {judge: said.get(judge) for judge in JUDGES}
    return {judge: (at, of_candidate[-1 if at is None else at]) for judge, at in seconds.items()}


def some(
    program: Path, scenario: Scenario, seeds: Iterable[int]
) -> list[dict[str, tuple[Verdict, float]]]:
    """Return what was said of a few rollouts of one process."""
    with node(program) as on:
        return [rollout(on, scenario, seed) for seed in seeds]


def main() -> None:
    """Run the scenarios; print and write their figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000, help="of the same version twice")
    parser.add_argument("--power-runs", type=int, default=50, help="of each other one")
    parser.add_argument("--program", type=Path, help="the core's tests, built already")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, default=Path("target/batcher.json"))
    options = parser.parse_args()
    program, found = options.program or build(), {}
    for scenario in SCENARIOS:
        began = time.monotonic()
        runs = options.runs if scenario.candidate == SAME else options.power_runs
        with ProcessPoolExecutor(options.processes) as pool:
            each = pool.map(
                partial(some, program, scenario),
                [range(runs)[at : at + 10] for at in range(0, runs, 10)],
            )
            found[scenario.name] = gathered(said for few in each for said in few)
        print(f"{scenario.name}: {runs} rollouts in {time.monotonic() - began:.0f} s", flush=True)
        print(*lines_of(found[scenario.name]), sep="\n", flush=True)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
