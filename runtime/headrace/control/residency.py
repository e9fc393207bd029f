"""Which of the versions that are loaded on demand are in memory, and who makes room. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

#: A version that was loaded because it was asked for serves so long at least, or as long as loading
#: it took: no more than half of the time goes into loading, however many ask in turns.
SHORTEST_TURN_S: Final = 1.0
#: Nobody has asked for so long for a version that may be unloaded for others: who asks for one by
#: its number, which no share shows, has it in use.
QUIET_S: Final = 60.0


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
class Lack:
    """What a version that is to be loaded lacks of its device."""

    #: In bytes; 0 or less: it may be loaded.
    missing: int
    #: What those will give back that are ending.
    coming: int
    #: What the end of each other version would give back, by label.
    held: Mapping[str, int]


@dataclass(frozen=True)
class Memory:
    """Of devices, where it is short."""

    #: By label of who was refused; empty while nobody was.
    lacks: Mapping[str, Lack] = field(default_factory=dict)
    #: Versions that need no place, and were refused, in the order in which they were.
    guests: Sequence[str] = ()
    #: Versions that may be unloaded for others, by label: nothing leads to them.
    spares: Mapping[str, Resident] = field(default_factory=dict)
    #: Who made room for one that is not there yet, and does not come back before.
    reserved: Set[str] = frozenset()


PLENTY: Final = Memory()


@dataclass(frozen=True)
class Choice:
    """Who is to be in memory."""

    #: All others are let go; of guests it has those that may be loaded.
    kept: frozenset[str]
    #: Somebody is asked for, and has no place yet.
    is_awaited: bool = False
    #: Who makes room of a device, and for whom; among them spares, which are not among the kept.
    let_go: Mapping[str, str] = field(default_factory=dict)
    #: Who does not fit, whoever may be let go for it.
    refused: frozenset[str] = frozenset()


def choose(
    most: int,
    residents: Mapping[str, Resident],
    called: Sequence[str],
    eager: Sequence[str] = (),
    memory: Memory = PLENTY,
) -> Choice:
    """Return who is to be in memory, of whom there are never more than ``most``.

    Whoever was asked for first has the first place that is free, or else that of the version that
    was asked for the longest time ago. If all have calls, he has the place of the one whose turn is
    over and began first: that gets nothing new and ends when it has answered, so that two that are
    asked for all the time take turns, and no call is lost. Memory of a device is a place, too: who
    lacks it has it from others by `relief`, or is refused.

    Args:
        most: places.
        residents: who has one now, by label, those that are leaving too.
        called: who is asked for, in the order of their first callers.
        eager: who takes a place that nobody is asked for, and else none.
        memory: who lacks some, and who may give it.
    """
    kept = [label for label, one in residents.items() if one.phase is not Phase.LEAVING]
    let_go: dict[str, str] = {}
    refused: set[str] = set()
    late = set(memory.reserved)
    #: One waits for others to end, or for their turns to be over.
    is_waited_for = False
    for label in (*memory.guests, *called):
        if label in kept or label in late or label in let_go:
            continue
        takes_turns = label in called
        lack = memory.lacks.get(label)
        if lack is not None and is_waited_for:
            # Nobody has, of what comes free, what another one was refused before.
            late.add(label)
            continue
        if lack is not None and lack.missing > 0:
            gone = relief(lack, residents, memory.spares, called, takes_turns=takes_turns)
            if gone is None:
                refused.add(label)
                continue
            is_waited_for = True
            late.add(label)
            if not gone and lack.coming < lack.missing:
                continue
            let_go |= dict.fromkeys(sorted(gone), label)
            kept = [one for one in kept if one not in gone]
        if takes_turns and len(kept) >= most:
            loser = _loser({one: residents[one] for one in kept if one in residents}, called)
            if loser is None:
                break
            kept.remove(loser)
        kept.append(label)
    guests = frozenset(kept) & frozenset(memory.guests) - late
    kept = [label for label in kept if label not in memory.guests]
    kept += [one for one in eager if one not in (*kept, *late)][: max(0, most - len(kept))]
    # Who leaves has its place until it is gone; who comes back to it needs no other.
    new = [label for label in kept if label not in residents]
    late |= set(new[max(0, most - len(residents)) :])
    staying = (frozenset(kept) - late) | guests
    waits = not frozenset((*called, *memory.guests)) - refused <= staying
    return Choice(staying, is_awaited=waits, let_go=let_go, refused=frozenset(refused))


def relief(
    lack: Lack,
    residents: Mapping[str, Resident],
    spares: Mapping[str, Resident],
    called: Sequence[str],
    *,
    takes_turns: bool,
) -> frozenset[str] | None:
    """Return who is let go so that a version has what it lacks; None where nothing would do.

    Those that come back when they are asked for go first, the longest unused before others; then
    spares; and for one that ``takes_turns`` those whose turn is over, which finish what they took.
    Nobody goes in vain: neither where all of them would not be enough, nor who is not needed.
    Nobody at all goes while it is enough to wait for those that are ending, or idle soon.
    """
    here = {label: residents[label] for label in lack.held if label in residents}
    missing = lack.missing - lack.coming
    idle = _idle(here, called)
    if (gone := _enough(missing, lack.held, idle)) is not None:
        return gone
    soon = [
        label
        for label, one in here.items()
        if one.phase is Phase.READY and not one.is_busy and label not in called
    ]
    if _enough(missing, lack.held, soon) is not None:
        return frozenset()
    quiet = {
        label: one
        for label, one in spares.items()
        if label in lack.held and not one.is_busy and one.idle_s >= QUIET_S
    }
    order = [*idle, *_longest_unused(quiet), *(_over(here) if takes_turns else ())]
    if (gone := _enough(missing, lack.held, order)) is not None:
        return gone
    rest = [*order, *(here if takes_turns else soon)]
    return None if _enough(missing, lack.held, rest) is None else frozenset()


def _enough(missing: int, held: Mapping[str, int], order: Sequence[str]) -> frozenset[str] | None:
    """Return the first of ``order`` that have as much, without those that are not needed."""
    gone: list[str] = []
    for label in dict.fromkeys(order):
        if missing <= 0:
            break
        gone.append(label)
        missing -= held[label]
    if missing > 0:
        return None
    for label in reversed(gone):
        if missing + held[label] <= 0:
            gone.remove(label)
            missing += held[label]
    return frozenset(gone)


def _loser(residents: Mapping[str, Resident], called: Sequence[str]) -> str | None:
    """Return whose place is the next one's, if anybody's is."""
    return next(iter((*_idle(residents, called), *_over(residents))), None)


def _idle(residents: Mapping[str, Resident], called: Sequence[str]) -> list[str]:
    """Return who has no calls, the longest unused first."""
    return _longest_unused(
        {
            label: one
            for label, one in residents.items()
            if one.phase is Phase.READY
            and not one.is_busy
            and label not in called
            and _has_served(one)
        }
    )


def _over(residents: Mapping[str, Resident]) -> list[str]:
    """Return whose turn is over, whoever began first before others."""
    over = {
        label: one.ready_s
        for label, one in residents.items()
        if one.phase is Phase.READY and not one.turn_left_s
    }
    return sorted(over, key=lambda label: (over[label], label), reverse=True)


def _longest_unused(versions: Mapping[str, Resident]) -> list[str]:
    return sorted(versions, key=lambda label: (versions[label].idle_s, label), reverse=True)


def _has_served(one: Resident) -> bool:
    """Who came for callers that have not come to it yet is not idle."""
    return one.idle_s < one.ready_s or not one.turn_left_s
