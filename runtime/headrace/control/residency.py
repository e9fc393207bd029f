"""Which of the versions that are loaded on demand are in memory. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

#: A version that was loaded because it was asked for serves so long at least, or as long as loading
#: it took: no more than half of the time goes into loading, however many ask in turns.
SHORTEST_TURN_S: Final = 1.0


class Phase(Enum):
    """Where a version in memory is."""

    COMING = "coming"
    READY = "ready"
    #: It gets nothing new, and ends once it has answered what it took.
    LEAVING = "leaving"


@dataclass(frozen=True)
class Resident:
    """A version in memory."""

    phase: Phase
    #: Calls of it wait or run.
    is_busy: bool = False
    #: Seconds since it was asked for, and since it was ready.
    idle_s: float = 0.0
    ready_s: float = 0.0
    #: How long its turn is.
    turn_s: float = SHORTEST_TURN_S

    @property
    def turn_left_s(self) -> float:
        """How much longer it serves, whoever else is asked for."""
        return max(0.0, self.turn_s - self.ready_s)


@dataclass(frozen=True)
class Choice:
    """Who is to be in memory."""

    #: All others are let go.
    kept: frozenset[str]
    #: Somebody is asked for, and has no place yet.
    is_awaited: bool = False


def choose(
    most: int,
    residents: Mapping[str, Resident],
    called: Sequence[str],
    eager: Sequence[str] = (),
) -> Choice:
    """Return who is to be in memory, of whom there are never more than ``most``.

    Whoever was asked for first has the first place that is free, or else that of the version that
    was asked for the longest time ago. If all have calls, he has the place of the one whose turn is
    over and began first: that gets nothing new and ends when it has answered, so that two that are
    asked for all the time take turns, and no call is lost.

    Args:
        most: places.
        residents: who has one now, by label, those that are leaving too.
        called: who is asked for, in the order of their first callers.
        eager: who takes a place that nobody is asked for, and else none.
    """
    kept = [label for label, one in residents.items() if one.phase is not Phase.LEAVING]
    for label in called:
        if label in kept:
            continue
        if len(kept) >= most:
            loser = _loser({one: residents[one] for one in kept if one in residents}, called)
            if loser is None:
                break
            kept.remove(loser)
        kept.append(label)
    kept += [label for label in eager if label not in kept][: max(0, most - len(kept))]
    # Who leaves has its place until it is gone; who comes back to it needs no other.
    new = [label for label in kept if label not in residents]
    late = new[max(0, most - len(residents)) :]
    staying = frozenset(kept) - frozenset(late)
    return Choice(staying, is_awaited=not frozenset(called) <= staying)


def _loser(residents: Mapping[str, Resident], called: Sequence[str]) -> str | None:
    """Return whose place is the next one's, if anybody's is."""
    ready = {label: one for label, one in residents.items() if one.phase is Phase.READY}
    idle = [
        label
        for label, one in ready.items()
        if not one.is_busy and label not in called and _has_served(one)
    ]
    if idle:
        return max(idle, key=lambda label: (ready[label].idle_s, label))
    over = [label for label, one in ready.items() if not one.turn_left_s]
    return max(over, key=lambda label: (ready[label].ready_s, label), default=None)


def _has_served(one: Resident) -> bool:
    """Who came for callers that have not come to it yet is not idle."""
    return one.idle_s < one.ready_s or not one.turn_left_s
