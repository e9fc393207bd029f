"""Users of two arms whose processes stand still for moments: on a busy machine, or to collect.

Whoever asks meanwhile waits, so that one stall is many users' bad luck and one arm's alone. Nobody
shares a batch, so that no run tells who was hit together.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tests.rollouts.streams import SECONDS, USER_REQUESTS, USER_S, Arm

Floats = NDArray[np.float64]

#: Of the candidate, and how many times as many the control has: a step of 20 %.
USERS_PER_S: Final = 20.0
CONTROL_TIMES: Final = 4.0
#: Between two stalls of a process on average, and how long one is.
APART_S: Final = 20.0
STALL_S: Final = (0.1, 0.5)
#: What is slow otherwise: any request, and mostly those of a few users, who ask for much.
SLOW: Final = 0.002
LARGE_USERS, LARGE_SLOW = 0.02, 0.3


@dataclass(frozen=True)
class Visits:
    """Requests of an arm.

    Attributes:
        user: of each request, his number; those of one are in a row, and in order.
        turn, since_s: how many he has made before, and how long after his first it came.
        at_s: when it came.
        is_slow: whether its answer was beyond the line.
    """

    user: NDArray[np.int64]
    turn: NDArray[np.int64]
    since_s: Floats
    at_s: Floats
    is_slow: NDArray[np.bool_]

    def by_second(self) -> tuple[Floats, Floats]:
        """Return, as the product counts, seconds with somebody new, and their slow shares."""
        first = (self.turn == 0) & (self.at_s < SECONDS)
        second = self.at_s[first].astype(int)
        came = np.bincount(second, minlength=SECONDS)
        slow = np.bincount(second, self.is_slow[first], minlength=SECONDS)
        return (came > 0).astype(float), (slow / np.maximum(came, 1)).astype(float)

    def by_user(self) -> tuple[Floats, Floats]:
        """Return users by the second in which each has said all that he may, and slow shares."""
        heard = (self.turn < USER_REQUESTS) & (self.since_s < USER_S)
        number = np.bincount(self.user[heard])
        share = np.bincount(self.user[heard], self.is_slow[heard]) / number
        ended = np.zeros(len(number))
        np.maximum.at(ended, self.user[heard], self.at_s[heard])
        over = self.at_s[self.turn == 0] + USER_S
        second = np.where(number == USER_REQUESTS, ended, over).astype(int)
        kept = second < SECONDS
        count = np.bincount(second[kept], minlength=SECONDS).astype(float)
        return count, np.bincount(second[kept], share[kept], minlength=SECONDS).astype(float)

    def arm(self) -> Arm:
        """Return it as judges have it."""
        inside = self.at_s < SECONDS
        second = self.at_s[inside].astype(int)
        count = np.bincount(second, minlength=SECONDS).astype(float)
        slow = np.bincount(second, self.is_slow[inside], minlength=SECONDS).astype(float)
        return Arm({"p99": self.by_second()}, {"p99": (count, slow)})


def visits(dice: np.random.Generator, users_per_s: float) -> Visits:
    """Return what the users of one process meet; a few make most requests."""
    count = dice.poisson(users_per_s * SECONDS)
    came = dice.uniform(0, SECONDS, count)
    requests = np.minimum(1 + dice.pareto(1.1, count), 5000).astype(int)
    user = np.repeat(np.arange(count), requests)
    started = np.cumsum(requests) - requests
    elapsed = np.cumsum(dice.exponential(2.0, len(user)))
    since = elapsed - elapsed[started][user]
    at = came[user] + since
    stalls = np.sort(dice.uniform(0, SECONDS, dice.poisson(SECONDS / APART_S)))
    ends = np.append(stalls + dice.uniform(*STALL_S, len(stalls)), -np.inf)
    is_slow = at < ends[np.searchsorted(stalls, at) - 1]  # before the first it is the last's, none
    is_slow |= dice.random(len(at)) < SLOW
    large = dice.random(count) < LARGE_USERS
    is_slow |= large[user] & (dice.random(len(at)) < LARGE_SLOW)
    return Visits(user, np.arange(len(user)) - started[user], since, at, is_slow)


def arms(dice: np.random.Generator) -> tuple[Visits, Visits]:
    """Return candidate and control, the same version."""
    return visits(dice, USERS_PER_S), visits(dice, USERS_PER_S * CONTROL_TIMES)
