"""Bets against a hypothesis about two rates: what a sequential test is made of.

Every unit (an execution, a crash, a user) says one number from 0 to 1: how bad it was. A bet is
worth 1 at first, and is multiplied by what each unit pays. If the hypothesis is true its expected
value never exceeds 1, whenever one looks; so it exceeds 1/alpha at any time at all with a
probability of at most alpha (Ville 1939; Shafer 2021, "Testing by betting"; Ramdas, Grünwald, Vovk
and Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: How much is staked, in the ratio of rates that a bet is best for, less one. A mixture of bets is
#: a bet: nobody has to know beforehand how large a difference is.
STAKES: Final[Floats] = np.exp2(np.arange(-8.0, 6.0))
#: Of what a bet may lose at most with one unit: it is never ruined.
BOLDEST: Final = 0.9
#: Rates are kept so far from 0 and 1, for a logarithm has none of either.
LEAST_RATE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Units:
    """Units of one arm in a stretch of time.

    Attributes:
        count: how many.
        bad: the sum of how bad each was, from 0 (good) to 1.
    """

    count: float = 0.0
    bad: float = 0.0

    def __post_init__(self) -> None:
        # What the sum of many fractions has lost may exceed their number by as much.
        slack = 1e-9 * max(self.count, 1.0)
        if not (math.isfinite(self.count) and 0.0 <= self.bad <= self.count + slack):
            raise ValueError(
                f"expected 0 <= bad <= count, each unit at most 1 bad, not {self.bad:g} of "
                f"{self.count:g}: give one bounded contribution a unit"
            )

    def __add__(self, other: "Units") -> "Units":
        return Units(self.count + other.count, self.bad + other.bad)


#: Of an arm that nothing is known of.
NONE: Final = Units()


def gains(
    candidate: Units, control: Units | None, *, rate: float, margin: float
) -> tuple[Floats, Floats]:
    """Return the logarithms of what a stretch pays two kinds of bets, for each of STAKES.

    The first are against "the candidate's rate is at most the control's + ``margin``", the second
    against "it is at least that". Without a control ``margin`` is itself what the candidate's rate
    is compared with. ``rate`` is what both rates are thought to be about; it must not be learned
    from this stretch. A wrong one costs power, never validity.

    A unit that was x bad pays at most 1 + A (x - q), where q is the hypothesis' rate in its arm:
    (1 + A (1 - q))^x (1 - A q)^(1 - x) is no more than that by the inequality of means. With n and
    m units, and bets A for the candidate and B = -A n / m for the control, the expected logarithm
    of all is at most n A (mu - q) + m B (nu - q') = n A (mu - nu - margin), which has not the sign
    of A under the hypothesis. So the two rates may rise and fall together from stretch to stretch.
    For 0 and 1 and margin 0 this is the e-variable of two streams of Turner, Ly and Grünwald
    (2024, "Generic e-variables for exact sequential k-sample tests that allow for optional
    stopping"), whose best bet is A = (p - q) / (q (1 - q)).

    Only counts and sums are needed, so that a stretch of any number of units costs the same.
    """
    if candidate.count == 0.0 or (control is not None and control.count == 0.0):
        return np.zeros_like(STAKES), np.zeros_like(STAKES)
    if control is None:
        low, high, per_control = 0.0, min(max(margin, LEAST_RATE), 1.0 - LEAST_RATE), 0.0
    else:
        shared = candidate.count / (candidate.count + control.count)
        margin = min(margin, 1.0 - 2.0 * LEAST_RATE)
        low = min(max(rate - margin * shared, LEAST_RATE), 1.0 - LEAST_RATE - margin)
        high, per_control = low + margin, candidate.count / control.count
    # By what one unit can lose at most, of the candidate and of the control, per unit of stake.
    stakes = np.concatenate(
        (
            np.minimum(STAKES, BOLDEST / max(high, (1.0 - low) * per_control)),
            -np.minimum(STAKES, BOLDEST / max(1.0 - high, low * per_control)),
        )
    )
    paid = _paid(candidate, high, stakes)
    if control is not None:
        paid += _paid(control, low, -stakes * per_control)
    return paid[: len(STAKES)], paid[len(STAKES) :]


def _paid(units: Units, rate: float, stakes: Floats) -> Floats:
    good = max(units.count - units.bad, 0.0)
    return units.bad * np.log1p(stakes * (1.0 - rate)) + good * np.log1p(-stakes * rate)


def log_mean(logs: Sequence[float]) -> float:
    """Return the logarithm of the mean of what these are logarithms of."""
    # Without NumPy, which is slower for so few.
    highest = max(logs)
    return highest + math.log(sum(math.exp(log - highest) for log in logs) / len(logs))
