"""Whether two samples of one number come from the same source, by how often it had which value."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: Into so many parts of one size, nearly, both samples together are divided.
PARTS: Final = 12
#: Rows that a part has of either sample on average, if both are alike: below that a test that
#: reckons with many is not to be believed.
LEAST_EXPECTED: Final = 5.0

#: Place → how many rows were counted there. Places rise with the number.
Counts = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Change:
    """What is between two samples.

    Attributes:
        chance: that samples of one source are so far apart, or farther.
        score: how far they are apart beyond what samples of one source are on average: the
            Jensen-Shannon divergence, in bits, from 0 to 1. However many rows there are, it is of
            the same size.
    """

    chance: float
    score: float


UNCHANGED: Final = Change(1.0, 0.0)


def change(before: Counts, now: Counts) -> Change:
    """Return what is between two samples; nothing where one is too small to say."""
    divided = parts(before, now)
    sums = [sum(column) for column in zip(*divided, strict=True)]
    if len(divided) < 2:
        return UNCHANGED
    first, second = sums
    total = first + second
    squared = 0.0
    apart = 0.0
    for one, other in divided:
        for count, of in ((one, first), (other, second)):
            expected = (one + other) * of / total
            squared += (count - expected) ** 2 / expected
        apart += _divergence(one / first, other / second)
    usual = (len(divided) - 1) * (1 / first + 1 / second) / 8
    score = max(0.0, apart - usual) / math.log(2)
    return Change(beyond(squared, len(divided) - 1), score)


def beyond(squared: float, degrees: int) -> float:
    """Return how likely chi-square of so many degrees of freedom is beyond a value."""
    half = squared / 2
    if degrees % 2 == 0:
        term, tail, steps = math.exp(-half), 0.0, degrees // 2
        for step in range(steps):
            tail += term
            term *= half / (step + 1)
        return min(1.0, tail)
    tail = math.erfc(math.sqrt(half))
    term = math.exp(-half) * math.sqrt(half) / math.gamma(1.5)
    for step in range((degrees - 1) // 2):
        tail += term
        term *= half / (step + 1.5)
    return min(1.0, tail)


def parts(before: Counts, now: Counts) -> Sequence[tuple[int, int]]:
    """Return how many of each are in the parts that are compared; none where one has none.

    Both are divided by the same lines, which depend on their sum alone: so the chance is one.
    """
    first, second = sum(before.values()), sum(now.values())
    if not first or not second:
        return []
    total = first + second
    least = max(total / PARTS, LEAST_EXPECTED * total / min(first, second))
    found: list[tuple[int, int]] = []
    one = other = 0
    for place in sorted({*before, *now}):
        one, other = one + before.get(place, 0), other + now.get(place, 0)
        if one + other >= least:
            found.append((one, other))
            one = other = 0
    if one + other and found:
        last = found.pop()
        found.append((last[0] + one, last[1] + other))
    return found


def _divergence(p: float, q: float) -> float:
    middle = (p + q) / 2
    return sum(part / 2 * math.log(part / middle) for part in (p, q) if part)
