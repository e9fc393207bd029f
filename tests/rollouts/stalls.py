"""Two arms whose processes stand still for moments: on a busy machine, or to collect.

Whoever asks meanwhile waits, so that one stall is bad luck of many callers and of one arm alone.
Nobody shares a batch, so that no run tells who was hit together.

nice python -m tests.rollouts.stalls tells how often the same version twice is sent back by p99, and
how soon a slower one, if each user, or each execution, is a unit, and as the product counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tests.rollouts.judges import Verdict, product
from tests.rollouts.streams import SECONDS, USER_REQUESTS, USER_S, Arm, per_second
from tests.rollouts.together import together
from tests.rollouts.trials import Trial, tell

from headrace.config.rollouts import RolloutPlan

Floats = NDArray[np.float64]
#: Of each second how many units ended in it, and how bad they were in all.
Stream = tuple[Floats, Floats]

#: One share, and no margin.
PLAN: Final = RolloutPlan.model_validate(
    {"kind": "a/b", "steps_percent": [20.0], "judge": {"p99": {"max_ratio": 1.0}}, "max_hours": 1.0}
)
#: Of the candidate, new users or requests, and how many times as many the control has: a step of
#: 20 %.
PER_S: Final = 20.0
CONTROL_TIMES: Final = 4.0
#: Between two stalls of a process on average, and how long one is.
APART_S: Final = 20.0
STALL_S: Final = (0.1, 0.5)
#: What an execution takes, about, and beyond what it is slow.
RUN_S, LINE_S = 0.004, 0.02
#: What is slow otherwise: any request, and mostly those of a few users, who ask for much.
SLOW: Final = 0.002
LARGE_USERS, LARGE_SLOW = 0.02, 0.3
#: Of how many more of the candidate's requests each worse version is slow.
WORSE: Final = (0.02, 0.1)


@dataclass(frozen=True)
class Visits:
    """Requests of an arm.

    Attributes:
        user: of each request, his number; those of one are in a row, and in order.
        turn, since_s: how many he has made before, and how long after his first it came.
        at_s, ran_s, ended_s: when it came, ran, and was answered.
    """

    user: NDArray[np.int64]
    turn: NDArray[np.int64]
    since_s: Floats
    at_s: Floats
    ran_s: Floats
    ended_s: Floats

    @property
    def is_slow(self) -> NDArray[np.bool_]:
        """Whether each answer was beyond the line."""
        return self.ended_s - self.at_s > LINE_S

    def first(self) -> Stream:
        """Return users by the first answer of each."""
        first = self.turn == 0
        return per_second(self.ended_s[first].astype(int), self.is_slow[first].astype(float))

    def arm(self) -> Arm:
        """Return it as judges have it."""
        first = self.turn == 0
        most = together(self.at_s[first], self.ran_s[first], SECONDS)
        units, requests = {"p99": self.first()}, {"p99": self.by_request()}
        return Arm(units, requests, 1000 * (self.ended_s - self.at_s), self.ended_s, most)

    def by_user(self) -> Stream:
        """Return users by the second in which each has said all that he may, and slow shares."""
        heard = (self.turn < USER_REQUESTS) & (self.since_s < USER_S)
        number = np.bincount(self.user[heard])
        share = np.bincount(self.user[heard], self.is_slow[heard]) / number
        ended = np.zeros(len(number))
        np.maximum.at(ended, self.user[heard], self.at_s[heard])
        over = self.at_s[self.turn == 0] + USER_S
        second = np.where(number == USER_REQUESTS, ended, over).astype(int)
        return per_second(second, share)

    def by_request(self) -> Stream:
        """Return single requests."""
        return per_second(self.at_s.astype(int), self.is_slow.astype(float))


def visits(dice: np.random.Generator, users_per_s: float, slow: float = SLOW) -> Visits:
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
    ends = np.append(stalls + _stands_still(dice, stalls), -np.inf)
    # Before the first stall it is the last's end, which is none.
    ran = np.maximum(at, ends[np.searchsorted(stalls, at) - 1])
    is_slow = dice.random(len(at)) < slow
    large = dice.random(count) < LARGE_USERS
    is_slow |= large[user] & (dice.random(len(at)) < LARGE_SLOW)
    turn = np.arange(len(user)) - started[user]
    return Visits(user, turn, since, at, ran, ran + RUN_S + LINE_S * is_slow)


@dataclass(frozen=True)
class Runs:
    """Executions of an arm, of one request each.

    Attributes:
        came_s, ran_s, ended_s: of each, in the order in which they ran.
        line_s: beyond what an answer is slow.
    """

    came_s: Floats
    ran_s: Floats
    ended_s: Floats
    line_s: float = LINE_S

    @property
    def takes_s(self) -> Floats:
        """How long each answer took."""
        return self.ended_s - self.came_s

    @property
    def is_slow(self) -> Floats:
        """Whether each answer was beyond the line."""
        return (self.takes_s > self.line_s).astype(float)

    def each(self) -> Stream:
        """Return them."""
        return per_second(self.ended_s.astype(int), self.is_slow)

    def arm(self) -> Arm:
        """Return it as judges have it."""
        most = together(self.came_s, self.ran_s, SECONDS)
        units = {"p99": self.each()}
        return Arm(units, units, 1000 * self.takes_s, self.ended_s, most)


def runs(
    dice: np.random.Generator,
    per_s: float,
    slow: float = 0.0,
    run_s: float = RUN_S,
    apart_s: float = APART_S,
) -> Runs:
    """Return what one process does that takes a request at a time."""
    came = dice.uniform(0, SECONDS, dice.poisson(per_s * SECONDS))
    stalls = dice.uniform(0, SECONDS, dice.poisson(SECONDS / apart_s))
    # While it stands still it is as busy as with one that takes as long.
    at = np.concatenate((came, stalls))
    takes = np.concatenate(
        (dice.lognormal(np.log(run_s), 0.2, len(came)), _stands_still(dice, stalls))
    )
    takes[: len(came)] += LINE_S * (dice.random(len(came)) < slow)
    order = np.argsort(at)
    busy = np.cumsum(takes[order])
    ended = busy + np.maximum.accumulate(at[order] - (busy - takes[order]))
    ran = order < len(came)
    return Runs(at[order][ran], (ended - takes[order])[ran], ended[ran])


def arms_of_users(dice: np.random.Generator) -> tuple[Arm, Arm]:
    """Return candidate and control, the same version, as judges have them."""
    return visits(dice, PER_S).arm(), visits(dice, PER_S * CONTROL_TIMES).arm()


def arms_of_runs(dice: np.random.Generator) -> tuple[Arm, Arm]:
    """Return the same of two that run a request at a time."""
    return runs(dice, PER_S).arm(), runs(dice, PER_S * CONTROL_TIMES).arm()


def _stands_still(dice: np.random.Generator, stalls: Floats) -> Floats:
    return dice.uniform(*STALL_S, len(stalls))


def sent_back(seed: int, more: float = 0.0) -> dict[str, Verdict]:
    """Return of one rollout of each kind, by what is a unit, when p99 sends it back.

    ``more`` of the candidate's requests are slow by themselves.
    """
    dice = np.random.default_rng(seed)
    user = visits(dice, PER_S, SLOW + more), visits(dice, PER_S * CONTROL_TIMES)
    run = runs(dice, PER_S, more), runs(dice, PER_S * CONTROL_TIMES)
    arms = {
        "each user": [Arm({"p99": one.by_user()}, {}) for one in user],
        "each user's first answer": [Arm({"p99": one.first()}, {}) for one in user],
        "users who wait together": [one.arm() for one in user],
        "each execution": [Arm({"p99": one.each()}, {}) for one in run],
        "executions that wait together": [one.arm() for one in run],
    }
    return {name: product(PLAN, *both)[0] for name, both in arms.items()}


def trials() -> Iterator[Trial]:
    """Yield the same version twice, and worse ones."""
    for more in (0.0, *WORSE):
        yield Trial(
            f"{100 * more:g} % more slow requests", partial(sent_back, more=more), worse=more > 0
        )


def main() -> None:
    """Print how often each kind of unit is sent back in error, and how soon rightly."""
    tell(__doc__ or "", trials())


if __name__ == "__main__":
    main()
