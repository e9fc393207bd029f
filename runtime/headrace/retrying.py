"""When what failed is tried again."""

import random
from collections.abc import Callable
from typing import Final

FIRST_S: Final = 2.0
LONGEST_S: Final = 300.0
#: Number of tries that failed in a row → seconds until the next.
Retry = Callable[[int], float]


def retry_after_s(tries: int, draw: float) -> float:
    """Return for how many seconds to wait after so many tries that failed.

    Args:
        tries: 1 or more.
        draw: from [0, 1): of servers whose registry was away not all ask in the same moment.
    """
    return min(LONGEST_S, FIRST_S * 2.0 ** min(tries - 1, 60)) * (0.5 + draw / 2)


def jittered(tries: int) -> float:
    """Return for how many seconds to wait after so many tries that failed."""
    return retry_after_s(tries, random.random())
