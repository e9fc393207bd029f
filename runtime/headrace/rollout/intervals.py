"""Intervals that hold at every moment at once: what an operator is shown beside a verdict."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from headrace.rollout.bets import Floats, Units, log_mean

#: A mixture of them is good for few and for many units.
SLOPES: Final[Floats] = np.exp2(-np.arange(1.0, 11.0))


@dataclass(frozen=True, slots=True)
class Spread:
    """The difference of two rates over time, and how far it may be off.

    Attributes:
        difference: of the rates, in the sum over stretches of difference times weight.
        weight: of stretches; that of n and m units is n m / (n + m).
        penalty: of each slope.
    """

    difference: float = 0.0
    weight: float = 0.0
    penalty: tuple[float, ...] = field(default_factory=lambda: tuple(0.0 for _ in SLOPES))

    def observed(self, candidate: Units, control: Units, rate: float) -> "Spread":
        """Return the same with a stretch more; ``rate`` must not be learned from it.

        For x from 0 to 1 with mean mu and any q, exp(s (x - mu) - psi(s) (x - q)^2) with psi(s) =
        -log(1 - s) - s has an expected value of at most 1, and so has it for -s (Howard, Ramdas,
        McAuliffe and Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence
        sequences", theorem 4). (x - q)^2 is no more than its chord, x (1 - q)^2 + (1 - x) q^2,
        which needs sums only. What both rates have in common in a stretch cancels, by the weights.
        """
        both = candidate.count + control.count
        of_candidate, of_control = control.count / both, candidate.count / both
        weight = candidate.count * of_candidate
        difference = candidate.bad * of_candidate - control.bad * of_control
        penalty = (
            np.array(self.penalty)
            + _psi(SLOPES * of_candidate) * _squares(candidate, rate)
            + _psi(SLOPES * of_control) * _squares(control, rate)
        )
        return Spread(self.difference + difference, self.weight + weight, tuple(penalty.tolist()))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return where the difference of the rates is, the candidate's less the control's.

        With a probability of at least 1 - ``alpha`` it holds at all times that one looks. Where
        rates change it is about their mean difference so far, by weight.
        """
        if self.weight == 0.0:
            return -1.0, 1.0
        centre = self.difference / self.weight
        bound = math.log(2.0 / alpha)
        near, far = 0.0, 2.0
        for _ in range(50):
            off = (near + far) / 2
            excess = log_mean((SLOPES * off * self.weight - np.array(self.penalty)).tolist())
            near, far = (off, far) if excess < bound else (near, off)
        return max(-1.0, centre - far), min(1.0, centre + far)


def _psi(slopes: Floats) -> Floats:
    return -np.log1p(-slopes) - slopes


def _squares(units: Units, rate: float) -> float:
    good = max(units.count - units.bad, 0.0)
    return float(units.bad * (1.0 - rate) ** 2 + good * rate**2)


def rate_interval(hits: int, count: int, alpha: float) -> tuple[float, float]:
    """Return where the rate is of which ``count`` trials had ``hits``, at every moment at once.

    The likelihood of a rate against a mixture of all rates, by Jeffreys' prior, is a martingale
    under that rate: with a probability of at least 1 - ``alpha`` it never falls to ``alpha``
    (Robbins 1970). Rates that it has not fallen so far for are an interval.
    """
    misses = count - hits
    mixed = _log_beta(hits + 0.5, misses + 0.5) - _log_beta(0.5, 0.5)
    bound = math.log(1.0 / alpha)

    def is_outside(rate: float) -> bool:
        of_hits = hits * math.log(rate) if hits else 0.0
        of_misses = misses * math.log1p(-rate) if misses else 0.0
        return mixed - of_hits - of_misses >= bound

    centre = hits / count if count else 0.5
    return _edge(is_outside, centre, 0.0), _edge(is_outside, centre, 1.0)


def _edge(is_outside: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return where ``is_outside`` begins between two rates, from ``inside`` outwards."""
    for _ in range(60):
        middle = (inside + outside) / 2
        if middle in (0.0, 1.0):
            break
        inside, outside = (inside, middle) if is_outside(middle) else (middle, outside)
    return outside


def _log_beta(one: float, other: float) -> float:
    return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)
