"""Of the versions that are wanted those that are carried now: the others wait to be asked for."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from headrace.control.engine import Assignment
from headrace.control.reconcile import Held
from headrace.control.residency import SHORTEST_TURN_S, Memory, Phase, Resident, choose
from headrace.control.shortages import Shortages
from headrace.execution.policy import AWAITED
from headrace.models.lifecycle import Standing, State

#: Wanted, and not in memory.
STANDBY: Final = Standing(State.STANDBY, "is loaded when a request asks for it")


@dataclass(frozen=True)
class Usage:
    """What gateways count of a version."""

    #: That wait or run.
    calls: int
    #: Seconds since it was asked for last.
    idle_s: float
    #: Calls and rows that it has to answer before it ends. Who waits for it to be loaded is none of
    #: them: he would keep it from ending, and its end is what others wait for.
    taken: int = 0


NONE: Final = Usage(0, 0.0)
#: Of what no gateway has counted yet: nobody takes its place for that.
UNKNOWN: Final = Usage(1, 0.0, 1)


def usage(stats: Mapping[str, Any]) -> dict[str, Usage]:
    """Return what a gateway's statistics say of each version, by label."""
    return {
        f"{model}/{version}": Usage(
            row["waiting"] + row["in_flight"],
            row["idle_ms"] / 1000,
            row["waiting_rows"] + row["in_flight"],
        )
        for model, rows in stats.get("models", {}).items()
        for version, row in rows["versions"].items()
    }


class Demand:
    """Which versions in shared processes are carried. One thread calls `carried`, any the rest."""

    def __init__(self, most: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        """``most``: how many may be in memory; None: all that are wanted are."""
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        #: In the order in which they were asked for, with whether an operator did.
        self._called: dict[str, bool] = {}
        #: Those of them that were there when it was last looked: what gateways have counted since
        #: knows of their callers.
        self._seen: frozenset[str] = frozenset()
        #: How often each had been asked for anew when it was last looked at.
        self._known: dict[str, int] | None = None
        self._began: dict[str, float] = {}
        self._ready: dict[str, float] = {}
        #: Since when each was ready and nothing led to it.
        self._spare: dict[str, float] = {}
        self._shortages = Shortages()
        #: Somebody waits for a place.
        self.is_awaited = False
        #: Versions that are to be unloaded for others, and why.
        self.evictions: Mapping[str, str] = {}

    def is_of(self, one: Assignment) -> bool:
        """Whether a version is loaded on demand."""
        shares = one.version.config.placement.isolation == "shared"
        return self._most is not None and one.version.is_hosted and shares

    def labels(self, assignments: Iterable[Assignment]) -> frozenset[str]:
        """Return those of the versions that are loaded on demand."""
        return frozenset(one.version.label for one in assignments if self.is_of(one))

    def call(self, label: str) -> bool:
        """Note that a request asks for a version; True if nobody has before."""
        with self._lock:
            is_new = label not in self._called
            self._called.setdefault(label, False)
        return is_new

    @property
    def has_calls(self) -> bool:
        """Whether somebody is asked for who has not come yet."""
        with self._lock:
            return bool(self._called)

    def asks(self, assignments: Sequence[Assignment]) -> bool:
        """Whether a request or an operator asks for one who has not come yet.

        Then it counts who has calls: without that everybody is as busy as another.
        """
        with self._lock:
            known = self._known
            return bool(self._called or self._shortages.labels) or (
                known is not None
                and any(
                    known.get(one.version.label) != one.asked
                    for one in filter(self.is_of, assignments)
                )
            )

    def waits_for_room(self, label: str) -> bool:
        """Whether a version was refused: it runs nothing, whoever waits for it."""
        with self._lock:
            return label in self._shortages.labels

    def standby(self, assignments: Iterable[Assignment]) -> dict[str, Standing]:
        """Return how those stand that are loaded on demand, while nothing of them is here."""
        return {one.version.label: self.standing(one) for one in assignments if self.is_of(one)}

    def standing(self, one: Assignment) -> Standing:
        """Return how a version stands that is wanted and not carried."""
        label = one.version.label
        with self._lock:
            if (waits := self._shortages.waits(label, None)) is not None:
                return waits
            is_known = self._known is not None and self._known.get(label) == one.asked
            waits_for_calls = self.is_of(one) and is_known and not self._called.get(label, False)
            why = self._shortages.made_room(label)
        if not waits_for_calls:
            return AWAITED
        return STANDBY if not why else replace(STANDBY, reason=f"{STANDBY.reason}; it {why}")

    def told(
        self, assignments: Iterable[Assignment], carried: Mapping[str, Standing]
    ) -> dict[str, Standing]:
        """Return how all stand: those that are ``carried``, and those that wait to be."""
        waiting = {one.version.label: one for one in assignments}
        with self._lock:
            short = set(self._shortages.labels)
            found = {label: self._shortages.told(label, one) for label, one in carried.items()}
        rest = [one for label, one in waiting.items() if self.is_of(one) or label in short]
        return {one.version.label: self.standing(one) for one in rest} | found

    def carried(
        self,
        assignments: Sequence[Assignment],
        held: Mapping[str, Held],
        standings: Mapping[str, Standing],
        used: Mapping[str, Usage] | None,
    ) -> list[Assignment]:
        """Return which of ``assignments`` are to be carried now.

        Args:
            assignments: all that is wanted.
            held: what is carried, by label.
            standings: how those stand.
            used: what gateways count of each; None if none answers.
        """
        wanted = {one.version.label: one for one in assignments}
        mine = {label: one for label, one in wanted.items() if self.is_of(one)}
        with self._lock:
            stay = {label: one for label, one in held.items() if not _leaves(one)}
            self._shortages.look(wanted, stay, standings)
            short = self._shortages.labels
            # They have no place, for they end; nor have they failed.
            standings = {label: one for label, one in standings.items() if label not in short}
            failures = {label for label, one in standings.items() if one.state is State.FAILED}
            failed = failures & set(stay) & set(mine)
            here = {label: one for label, one in held.items() if label not in {*failed, *short}}
            residents = self._residents(mine, here, standings, used or {})
            eager = self._hear(mine, stay, standings, used)
            called = list(self._called)
            for label in [one for one in short if one in mine and one not in called]:
                self._shortages.forget(label)
            short = self._shortages.labels
            guests = [label for label in short if label not in mine]
            ending = {label for label in held if label not in wanted or label not in stay}
            apart = [one for label, one in wanted.items() if label not in mine]
            spares = self._spares(apart, standings, used or {})
            free = {label: one for label, one in spares.items() if _is_evictable(wanted[label])}
            lacks = self._shortages.lacks(held, ending)
            memory = Memory(lacks, guests, free, self._shortages.reserved)
            choice = choose(self._most or 0, residents, called, eager, memory)
            self._shortages.take(choice)
            if used is not None:
                for label in choice.refused:
                    others = sorted(set(spares) - set(free))
                    self._shortages.refuse(label, free, others)
            self.evictions = {
                label: self._shortages.made_room(label)
                for label in choice.let_go
                if label not in mine
            }
            self.is_awaited = choice.is_awaited or bool(choice.refused)
            # One that is refused for good now has no place, and fails where it is.
            refused = choice.refused & set(stay) if used is not None else frozenset()
            staying = choice.kept | failed | refused
            return [
                one
                for label, one in wanted.items()
                if (label in staying or label not in mine)
                and self._shortages.may_load(label, choice.kept, held)
            ]

    def _residents(
        self,
        mine: Mapping[str, Assignment],
        held: Mapping[str, Held],
        standings: Mapping[str, Standing],
        used: Mapping[str, Usage],
    ) -> dict[str, Resident]:
        now = self._clock()
        found = {}
        here = {label for label in held if label in mine or label in self._began}
        for label in here:
            began = self._began.setdefault(label, now)
            phase, ready = Phase.COMING, now
            if standings.get(label, AWAITED).state is State.READY or label in self._ready:
                phase, ready = Phase.READY, self._ready.setdefault(label, now)
            if label not in mine or _leaves(held[label]):
                phase = Phase.LEAVING
            one = used.get(label, UNKNOWN)
            turn_s = max(SHORTEST_TURN_S, ready - began)
            found[label] = Resident(phase, one.calls > 0, one.idle_s, now - ready, turn_s)
        for label in set(self._began) - here:
            del self._began[label]
            self._ready.pop(label, None)
        return found

    def _spares(
        self,
        wanted: Iterable[Assignment],
        standings: Mapping[str, Standing],
        used: Mapping[str, Usage],
    ) -> dict[str, Resident]:
        """Return those that are ready and that nothing leads to; who has just come is not idle."""
        before, self._spare = self._spare, {}
        found = {}
        for one in wanted:
            label, counted = one.version.label, used.get(one.version.label, UNKNOWN)
            if one.is_spare and standings.get(label, AWAITED).state is State.READY:
                now = self._clock()
                since = self._spare[label] = before.get(label, now)
                idle_s = min(counted.idle_s, now - since)
                found[label] = Resident(Phase.READY, counted.calls > 0, idle_s, turn_s=0.0)
        return found

    def _hear(
        self,
        mine: Mapping[str, Assignment],
        stay: Mapping[str, Held],
        standings: Mapping[str, Standing],
        used: Mapping[str, Usage] | None,
    ) -> list[str]:
        """Forget who is asked for no more; return who takes a place that nobody is asked for.

        What a run begins with is eager. What an operator has loaded later is asked for by him, so
        that it is proven before traffic goes to it.
        """
        known, self._known = self._known, {label: one.asked for label, one in mine.items()}
        for label, one in mine.items():
            if known is not None and known.get(label) != one.asked:
                self._called[label] = True
        for label, by_operator in list(self._called.items()):
            came = (
                label in mine
                and label in stay
                and stay[label].asked == mine[label].asked
                and standings.get(label, AWAITED).state in (State.READY, State.FAILED)
            )
            counted = used is not None and label in self._seen and not by_operator
            left = counted and (used or {}).get(label, UNKNOWN).calls == 0
            if label not in mine or came or left:
                del self._called[label]
        self._seen = frozenset(self._called)
        return [] if known is not None else _highest_first(mine)


def _is_evictable(one: Assignment) -> bool:
    return one.version.config.placement.evictable


def _leaves(held: Held) -> bool:
    return held.ends or held.quiet_since is not None


def _highest_first(mine: Mapping[str, Assignment]) -> list[str]:
    """Return labels so that every model has a version before one has two."""
    models: dict[str, list[Assignment]] = {}
    for one in mine.values():
        models.setdefault(one.version.model, []).append(one)
    ranked = [
        (rank, one.version.label)
        for versions in models.values()
        for rank, one in enumerate(sorted(versions, key=lambda one: -one.number))
    ]
    return [label for _, label in sorted(ranked)]
