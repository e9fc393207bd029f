"""How long nobody had an answer. Pure."""

from collections.abc import Iterable
from itertools import pairwise


def longest(answers: Iterable[float], began: float, ended: float) -> float:
    """Return the longest time within [began, ended] without one of the moments in ``answers``."""
    within = sorted(at for at in answers if began < at < ended)
    moments = [began, *within, ended]
    return max(b - a for a, b in pairwise(moments))
