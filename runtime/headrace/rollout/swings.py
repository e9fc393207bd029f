"""How much more the difference of two arms' latency swings than single executions would make it.

Executions hang together over time, too: while a queue is long all are slow that come, and a queue
that is nearly always busy is long or short for many seconds. What depends on each other so is less
evidence than as many executions that do not. By how much is the design effect: the variance of a
mean, of what was drawn, over that of as many independent draws (Kish 1965, "Survey sampling"). It
is estimated from means of batches of looks (Conway 1963; Glynn and Whitt 1991, "Estimating the
asymptotic variance with batch means"), of the difference of both arms' mean logarithm of latency:
what load does to both is in neither, and a constant difference does not swing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from headrace.rollout.bets import Units

#: Units of candidate and control.
Pair = tuple[Units, Units]

#: Batches are of so many looks: dependence over a minute is the longest that is looked for.
WINDOWS: Final = (1, 2, 4, 8, 16, 32, 64)
#: How far looks are thought to swing before there are two, as a design effect. With 1 what chance
#: does in the first seconds is taken for a difference, with 4 what is one is found late.
EXPECTED: Final = 2.0
#: As many differences of successive batches weigh what was thought before: of the shortest window
#: EXPECTED, of each other one what is known of that of half its length. Dependence that is seen in
#: seconds is so believed of minutes, too, and a few minutes alone are not.
PRIOR_PAIRS: Final = 4
#: Latencies are known by their place among edges: the variance of what rounding takes away.
ROUNDED: Final = 1 / 12
#: What has counted before anything was known is no more than what was counted and this.
SLACK_UNITS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Level:
    """Latencies of answers, each as its place among `headrace.rollout.latency.EDGES_NS`.

    These are closer by a sixteenth of a doubling each, so that places are logarithms.

    Attributes:
        count: of answers.
        total, squares: the sums of their places, and of the squares of these.
    """

    count: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    @staticmethod
    def of(latency: Sequence[tuple[int, int]]) -> "Level":
        """Return that of a histogram, of pairs of a place and a count."""
        return Level(
            float(sum(count for _, count in latency)),
            float(sum(place * count for place, count in latency)),
            float(sum(place * place * count for place, count in latency)),
        )

    def __add__(self, other: "Level") -> "Level":
        return Level(
            self.count + other.count, self.total + other.total, self.squares + other.squares
        )

    @property
    def mean(self) -> float:
        """Of a level that has answers."""
        return self.total / self.count

    @property
    def variance(self) -> float:
        """Of a level that has answers."""
        return max(self.squares / self.count - self.mean**2, 0.0) + ROUNDED


@dataclass(frozen=True, slots=True)
class Batches:
    """Means of so many looks in a row, and how far from each other those are that follow.

    Attributes:
        total, chance, looks: of the batch that is not whole yet, differences and their variances.
        before: the mean of the last one that is, and its variance; None before there is one.
        squares, pairs: of differences of means that follow on each other, over their variances.
    """

    total: float = 0.0
    chance: float = 0.0
    looks: int = 0
    before: tuple[float, float] | None = None
    squares: float = 0.0
    pairs: int = 0

    def then(self, difference: float, chance: float, window: int) -> "Batches":
        """Return it with a look more, and the variance that chance gives its difference."""
        total, variance, looks = self.total + difference, self.chance + chance, self.looks + 1
        if looks < window:
            return replace(self, total=total, chance=variance, looks=looks)
        now = total / window, variance / window**2
        if self.before is None:
            return Batches(before=now)
        # Not each over its own: a constant difference would swing with the number of executions.
        square = (now[0] - self.before[0]) ** 2 / (now[1] + self.before[1])
        return Batches(before=now, squares=self.squares + square, pairs=self.pairs + 1)

    def times(self, thought: float) -> tuple[float, float]:
        """Return how many times as far from each other they are as chance has it, and its error.

        Where looks are independent of each other it is 1. It is the mean of what was thought of it
        before and of what was seen, by their numbers: a variance's, of which the conjugate prior
        is as many observations (Gelman et al., "Bayesian Data Analysis", 2.6). The error is a
        standard one, as a part of it.
        """
        pairs = PRIOR_PAIRS + self.pairs
        return (PRIOR_PAIRS * thought + self.squares) / pairs, math.sqrt(2 / pairs)


@dataclass(frozen=True, slots=True)
class Swings:
    """What is known of a rollout's swings.

    Attributes:
        levels: of candidate and control, of all looks so far.
        batches: of each of WINDOWS.
        counted: units of both that there were; weighed: that had weight, less what was taken back.
    """

    levels: tuple[Level, Level] = (Level(), Level())
    batches: tuple[Batches, ...] = (Batches(),) * len(WINDOWS)
    counted: tuple[float, float] = (0.0, 0.0)
    weighed: tuple[float, float] = (0.0, 0.0)

    @property
    def effect(self) -> float:
        """The design effect, 1 or more: as many executions are one unit, over time.

        It is the largest of all windows, of which each counts that is off 1 by its error or more,
        and is taken half of that up: who seems to swing, for a while, may do so by chance, but who
        does is found out slowly.
        """
        largest, thought = 1.0, EXPECTED
        for one in self.batches:
            thought, error = one.times(thought)
            if thought >= 1 + error:
                largest = max(largest, thought * (1 + error / 2))
        return largest

    @property
    def is_known(self) -> bool:
        """Whether as much was seen of it as weighs what was thought before."""
        return self.batches[0].pairs >= PRIOR_PAIRS

    def weighing(self, found: Pair, weighed: Pair) -> tuple["Swings", float]:
        """Return it with units that were given weight, and what part of those before keeps its own.

        What had weight before dependence was seen is taken back in part: of all units so far no
        more have weight than the design effect, as it is known now, leaves of them. How large it is
        does not depend on which arm is slower.

        Args:
            found: units of candidate and control in a stretch.
            weighed: what they count as.
        """
        counted, effect = _sum(self.counted, found), self.effect
        kept = 1.0
        for number, weight in zip(counted, self.weighed, strict=True):
            if weight:
                kept = min(kept, (number / effect + SLACK_UNITS) / weight)
        before = self.weighed[0] * kept, self.weighed[1] * kept
        return replace(self, counted=counted, weighed=_sum(before, weighed)), kept

    def seen(self, found: Pair, came: tuple[Level, Level]) -> "Swings":
        """Return it with a look more, at which both arms had units and answers, or as it was.

        Args:
            found: what ended since the look before.
            came: all that was answered since.
        """
        if not all(units.count for units in found) or not all(level.count for level in came):
            return self
        levels = self.levels[0] + came[0], self.levels[1] + came[1]
        by_chance = sum(
            level.variance / units.count for level, units in zip(levels, found, strict=True)
        )
        difference = came[0].mean - came[1].mean
        batches = (
            one.then(difference, by_chance, window)
            for one, window in zip(self.batches, WINDOWS, strict=True)
        )
        return replace(self, levels=levels, batches=tuple(batches))

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> "Swings":
        """Return what `dataclasses.asdict` made this of; nothing known where there is nothing."""
        if not kept:
            return Swings()
        one, other = (Level(**level) for level in kept["levels"])
        (counted, more), (weighed, weight) = kept["counted"], kept["weighed"]
        batches = tuple(
            Batches(**{**batch, "before": batch["before"] and tuple(batch["before"])})
            for batch in kept["batches"]
        )
        return Swings((one, other), batches, (counted, more), (weighed, weight))


#: Of a rollout that nothing is known of.
STILL: Final = Swings()


def _sum(so_far: tuple[float, float], more: Pair) -> tuple[float, float]:
    return so_far[0] + more[0].count, so_far[1] + more[1].count
