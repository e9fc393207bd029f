"""Traffic of two arms of a rollout, second by second: as units and as requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tests.rollouts import batches
from tests.rollouts.together import together

from headrace.rollout.together import Together

Floats = NDArray[np.float64]

#: How long a rollout is watched, a look a second, and how long its day is.
SECONDS: Final = 1200
DAY_S: Final = 600.0
#: Of an arm of 5 %, on average; over a day it has from 0.4 to 1.6 times as many.
REQUESTS_PER_S: Final = 40.0
USERS_PER_S: Final = 3.0
#: Of a user, after which it is counted, as it was by then.
USER_REQUESTS, USER_S = 20, 60.0


@dataclass(frozen=True)
class Version:
    """What is true of a version.

    Attributes:
        failing: how many of its executions fail, all rows at once, or how many of its users'
            requests do; what happens to both versions at once comes on top.
        slowdown: how many times as long its batches take.
        agreement: how many of its answers agree with the baseline's.
    """

    failing: float = 0.006
    slowdown: float = 1.0
    agreement: float = 0.99


SAME: Final = Version()


@dataclass(frozen=True)
class Arm:
    """What an arm did in each second, by metric.

    Attributes:
        units: how many units ended in each second, and how bad they were in all.
        requests: the same of single requests, which are no units.
        latency_ms, ended_s: of each request.
        together: by second, the most executions so far that waited at the same time; empty where
            each unit is by itself.
    """

    units: dict[str, tuple[Floats, Floats]]
    requests: dict[str, tuple[Floats, Floats]]
    latency_ms: Floats = field(default_factory=lambda: np.empty(0))
    ended_s: Floats = field(default_factory=lambda: np.empty(0))
    together: list[Together] = field(default_factory=list)


@dataclass(frozen=True)
class World:
    """What both arms meet: moments at which any version fails, such as a lost database."""

    incidents_s: Floats

    @staticmethod
    def thrown(dice: np.random.Generator) -> "World":
        """Return one with an incident in two minutes, on average."""
        return World(np.sort(dice.uniform(0, SECONDS, dice.poisson(SECONDS / 120))))

    def failing(self, version: Version, at_s: Floats) -> Floats:
        """Return how many executions fail at these moments: a day has good and bad hours."""
        rate = version.failing * (1 + 0.6 * np.sin(2 * np.pi * at_s / DAY_S))
        place = np.searchsorted(self.incidents_s, at_s) - 1
        since = np.where(place >= 0, at_s - self.incidents_s[np.maximum(place, 0)], np.inf)
        excess = version.failing / SAME.failing
        return np.minimum(np.where(since < 3.0, 0.16 * excess, rate), 1.0)


def executions(
    version: Version, world: World, dice: np.random.Generator, lines_ms: Mapping[str, float]
) -> Arm:
    """Return an arm of which each request is routed by itself; an execution is a unit."""
    each_s = REQUESTS_PER_S * (1 - 0.6 * np.cos(2 * np.pi * np.arange(SECONDS) / DAY_S))
    came = np.repeat(np.arange(SECONDS), dice.poisson(each_s))
    ran = batches.run(np.sort(came + dice.random(len(came))), dice, slowdown=version.slowdown)
    failed = dice.random(len(ran.rows)) < world.failing(version, ran.ended_s)
    # A quarter of what disagrees does so in whole batches: another kernel was chosen for them.
    disagreeing = 1 - version.agreement
    differs = dice.random(len(ran.batch)) < 0.75 * disagreeing
    differs |= (dice.random(len(ran.rows)) < 0.25 * disagreeing)[ran.batch]
    shares = {
        "errors": failed.astype(float),
        "agreement": _mean(ran, differs),
        **{name: _mean(ran, ran.latency_ms > line) for name, line in lines_ms.items()},
    }
    second = ran.ended_s.astype(int)
    of_rows = {
        "errors": failed[ran.batch].astype(float),
        "agreement": differs.astype(float),
        **{name: (ran.latency_ms > line).astype(float) for name, line in lines_ms.items()},
    }
    return Arm(
        {name: per_second(second, bad) for name, bad in shares.items()},
        {name: per_second(second[ran.batch], bad) for name, bad in of_rows.items()},
        ran.latency_ms,
        ran.ended_s[ran.batch],
        together(ran.came_s, ran.ran_s, SECONDS),
    )


def users(version: Version, world: World, dice: np.random.Generator) -> Arm:
    """Return an arm whose users stay with it; a user is a unit, and a few make most requests.

    Three in a hundred users have something that mostly fails, and one in ten something that is
    seldom agreed on. A user counts once, by the first USER_REQUESTS requests or USER_S seconds.
    """
    count = dice.poisson(USERS_PER_S * SECONDS)
    came = dice.uniform(0, SECONDS, count)
    requests = np.minimum(1 + dice.pareto(1.1, count), 5000).astype(int)
    excess = version.failing / SAME.failing
    failing = np.where(dice.random(count) < 0.03, min(0.27 * excess, 1.0), 0.002 * excess)
    disagreeing = (1 - version.agreement) * np.where(dice.random(count) < 0.1, 9.1, 0.1)
    user = np.repeat(np.arange(count), requests)
    gaps = dice.exponential(2.0, len(user))
    started = np.concatenate(([0], np.cumsum(requests)[:-1]))
    elapsed = np.cumsum(gaps)
    since = elapsed - (elapsed - gaps)[started][user]
    at, turn = came[user] + since, np.arange(len(user)) - started[user]
    seen = at < SECONDS
    bad = {
        "errors": dice.random(len(user)) < failing[user],
        "agreement": dice.random(len(user)) < disagreeing[user],
    }
    counted = seen & (turn < USER_REQUESTS) & (since < USER_S)
    number = np.bincount(user[counted], minlength=count)
    last = np.zeros(count)
    np.maximum.at(last, user[counted], at[counted])
    done = np.where(number == USER_REQUESTS, last, came + USER_S)
    whole = (number > 0) & (done < SECONDS)
    units, single = {}, {}
    for name, wrong in bad.items():
        share = np.bincount(user[counted], wrong[counted], minlength=count)
        units[name] = per_second(done[whole].astype(int), share[whole] / number[whole])
        single[name] = per_second(at[seen].astype(int), wrong[seen].astype(float))
    return Arm(units, single)


def _mean(ran: batches.Batches, of_requests: NDArray[np.bool_]) -> Floats:
    return np.bincount(ran.batch, of_requests, minlength=len(ran.rows)) / ran.rows


def per_second(second: NDArray[np.int64], bad: Floats) -> tuple[Floats, Floats]:
    """Return of each second how many units ended in it, and how bad they were in all."""
    kept = second < SECONDS
    count = np.bincount(second[kept], minlength=SECONDS).astype(float)
    return count, np.bincount(second[kept], bad[kept], minlength=SECONDS).astype(float)
