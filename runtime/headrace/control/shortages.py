"""Versions that were refused for want of a device's memory, until others have made room."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from headrace.control.residency import QUIET_S, Choice, Lack, Resident
from headrace.models.lifecycle import Standing, State
from headrace.models.shortage import Shortage, size


@dataclass
class Waiting:
    """One that was refused."""

    shortage: Shortage
    #: Who made room for it.
    let_go: set[str] = field(default_factory=set)
    #: It was told to load again; until it is ready nobody comes back who made room.
    is_again: bool = False


class Shortages:
    """Of one engine. Whoever holds its lock calls this."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        #: Who was refused for good, until it is asked for anew, and what to say of it.
        self._refused: dict[str, tuple[Shortage, str]] = {}
        #: Who made room, and for whom, in words, until it is loaded again.
        self._made_room: dict[str, str] = {}

    @property
    def labels(self) -> list[str]:
        """Who waits for room, in the order in which they were refused."""
        return [label for label, one in self._waiting.items() if not one.is_again]

    @property
    def reserved(self) -> frozenset[str]:
        """Who made room for one that is not ready yet."""
        return frozenset(label for one in self._waiting.values() for label in one.let_go)

    def look(
        self,
        wanted: Collection[str],
        stay: Collection[str],
        standings: Mapping[str, Standing],
    ) -> None:
        """Find who was refused since the last look, and who is there by now.

        Args:
            wanted: the labels of all that are.
            stay: of those that are carried, and not on their way out.
            standings: how those stand that are carried, by label.
        """
        for label in (*self._waiting, *self._refused):
            if label not in wanted:
                self._waiting.pop(label, None)
                self._refused.pop(label, None)
        for label, one in standings.items():
            waiting = self._waiting.get(label)
            if label not in wanted or label not in stay or (waiting and not waiting.is_again):
                continue
            refusal = self._refused.get(label)
            if refusal is not None and refusal[0] != one.short:
                del self._refused[label]
            if one.state in (State.READY, State.FAILED):
                self._waiting.pop(label, None)
            if one.state is State.READY:
                self._made_room.pop(label, None)
            if one.short is not None and label not in self._refused:
                self._waiting[label] = Waiting(one.short)

    def lacks(self, held: Collection[str], ending: Collection[str]) -> dict[str, Lack]:
        """Return what each lacks still; ``ending``: those of the ``held`` that are to go anyhow."""
        found = {}
        for label in self.labels:
            shortage = self._waiting[label].shortage
            had = shortage.by_label
            gone = sum(count for one, count in had.items() if one not in held)
            coming = sum(count for one, count in had.items() if one in held and one in ending)
            rest = {one: count for one, count in had.items() if one in held and one not in ending}
            found[label] = Lack(shortage.missing - gone, coming, rest)
        return found

    def take(self, choice: Choice) -> None:
        """Note who makes room."""
        for label, beneficiary in choice.let_go.items():
            self._waiting[beneficiary].let_go.add(label)
            shortage = self._waiting[beneficiary].shortage
            self._made_room[label] = (
                f"made room for {beneficiary}, which needed {size(shortage.missing)} more of "
                f"{shortage.device}"
            )

    def refuse(
        self,
        label: str,
        evictable: Mapping[str, Resident],
        others: Collection[str],
    ) -> None:
        """Note that one is not loaded; ``others`` have no traffic, and may not be unloaded."""
        shortage = self._waiting.pop(label).shortage
        self._refused[label] = shortage, _refusal(shortage, evictable, others)

    def forget(self, label: str) -> None:
        """Have one wait no more that nobody asks for."""
        self._waiting.pop(label, None)

    def may_load(self, label: str, chosen: Collection[str], held: Collection[str]) -> bool:
        """Whether one is to be carried, as far as it was refused: it ends, and begins anew."""
        waiting = self._waiting.get(label)
        if waiting is None or waiting.is_again:
            return True
        waiting.is_again = label in chosen and label not in held
        return waiting.is_again

    def made_room(self, label: str) -> str:
        """Return for whom one made room that was let go, in words; empty if for nobody."""
        return self._made_room.get(label, "")

    def waits(self, label: str, standing: Standing | None) -> Standing | None:
        """Return how one stands that waits for room, or that nobody has looked at; else None."""
        waiting = self._waiting.get(label)
        if waiting is not None and not waiting.is_again:
            return _waits(waiting.shortage, waiting.let_go)
        if standing is None or standing.short is None or self._is_refused(label, standing.short):
            return None
        return _waits(standing.short, ())

    def told(self, label: str, standing: Standing) -> Standing:
        """Return how one stands, and of one that was refused what could be done."""
        if (waits := self.waits(label, standing)) is not None:
            return waits
        if standing.short is None:
            return standing
        reason = f"{standing.reason}; {self._refused[label][1]}"
        return Standing(standing.state, reason, standing.short)

    def _is_refused(self, label: str, shortage: Shortage) -> bool:
        return label in self._refused and self._refused[label][0] == shortage


def _waits(shortage: Shortage, let_go: Collection[str]) -> Standing:
    who = f": {', '.join(sorted(let_go))} makes room" if let_go else ""
    return Standing(
        State.DECLARED, f"waits for {size(shortage.missing)} more of {shortage.device}{who}"
    )


#: What is said of a version that a person may unload.
UNLOAD: Final = "`headrace unload` gives that back, and so does placement.evictable by itself"


def _refusal(shortage: Shortage, evictable: Mapping[str, Resident], others: Collection[str]) -> str:
    """Return what would have been needed, and who has it without need."""
    held = shortage.by_label
    told = f"{size(shortage.missing)} more are needed than those have that may be let go"
    used = [
        f"{label} was asked for {one.idle_s:.0f} s ago"
        for label, one in evictable.items()
        if label in held and (one.is_busy or one.idle_s < QUIET_S)
    ]
    idle = [f"{label} {size(held[label])}" for label in others if label in held]
    if used:
        told += f": {', '.join(used)}"
    return f"{told}; without traffic: {', '.join(idle)} ({UNLOAD})" if idle else told
