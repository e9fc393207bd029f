"""Brings what a run carries to what is wanted, step by step, as gateways and hosts come along."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from headrace.control.demand import NONE, Usage
from headrace.control.engine import Assignment
from headrace.control.reconcile import DRAIN_S, Do, Held, Seen, step
from headrace.models.lifecycle import Standing
from headrace.repository.folder import Version
from headrace.serve import fleet
from headrace.serve.accounts import Accounts
from headrace.serve.crew import Crew
from headrace.serve.plan import Group

NOTHING_KNOWN: Final[Mapping[str, Standing]] = MappingProxyType({})


@dataclass(frozen=True)
class Hands:
    """What steps are done with; all of it may wait for Ray."""

    #: Have Serve start the hosts of these groups.
    start: Callable[[Sequence[Group]], None]
    #: Have Serve end a group's hosts.
    end: Callable[[Group], None]
    #: Have the hosts that run, of the group of a version, load it too, or end it alone.
    join: Callable[[Version], None]
    leave: Callable[[Version], None]
    #: What gateways count of each version, by label; None when none answers.
    used: Callable[[], Mapping[str, Usage] | None]


class Steps:
    """What is held of each version. One thread calls all of this."""

    def __init__(
        self,
        crew: Crew,
        accounts: Accounts,
        hands: Hands,
        began: Sequence[Assignment],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``began``: what the crew carries from the start."""
        self._crew = crew
        self._accounts = accounts
        self._hands = hands
        self._clock = clock
        self._held = {one.version.label: Held(one.asked) for one in began}
        #: When each that is quiet became so.
        self._since: dict[str, float] = {}

    @property
    def quiet(self) -> frozenset[str]:
        """The versions that are to get nothing new."""
        return frozenset(
            label for label, held in self._held.items() if held.quiet_since is not None
        )

    def take(
        self,
        wanted: Sequence[Assignment],
        applications: Mapping[str, fleet.Application],
        acknowledged: int,
        sequence: int,
        standings: Mapping[str, Standing] = NOTHING_KNOWN,
    ) -> bool:
        """Do what can be done now; True while something is under way.

        Args:
            wanted: all that is to be carried.
            applications: what Serve says.
            acknowledged: the table that every gateway has by now, or a later one.
            sequence: of the table that is published next.
            standings: how versions stood at the last look.
        """
        used = self._used(wanted, acknowledged)
        carried = self._crew.demand.carried(wanted, self._held, standings, used)
        asked = {one.version.label: one for one in carried}
        for label in sorted({*asked, *self._held}):
            held, one = self._held.get(label), asked.get(label)
            seen = Seen(
                acknowledged=acknowledged,
                busy=self._is_busy(label, used),
                gone=held is not None
                and held.ends
                and self._is_gone(label, applications, acknowledged + 1 >= sequence),
            )
            do = step(None if one is None else one.asked, held, seen)
            if held is not None and do is not None:
                self._go_on(do, label, held, sequence)
            elif one is not None and do is Do.CARRY and self._may_begin(one.version):
                self._held[label] = Held(one.asked)
                self._hands.join(one.version)
        # Those that are new, and those for which Serve's controller was away the last time.
        missing = [
            group
            for group in self._crew.groups
            if group.application not in applications and not self._ends_as_a_whole(group)
        ]
        if missing:
            self._hands.start(missing)
        steady = {one: held.asked for one, held in self._held.items() if held.quiet_since is None}
        is_steady = steady == {label: one.asked for label, one in asked.items()}
        return not is_steady or bool(self.quiet) or self._crew.demand.is_awaited

    def _go_on(self, do: Do, label: str, held: Held, sequence: int) -> None:
        match do:
            case Do.QUIET:
                self._held[label] = replace(held, quiet_since=sequence)
                self._since[label] = self._clock()
            case Do.RECALL:
                self._held[label] = replace(held, quiet_since=None)
                del self._since[label]
            case Do.LET_GO:
                self._let_go(label)
                self._held[label] = replace(held, ends=True)
            case Do.FORGET:
                self._crew.drop(label)
                self._accounts.drop(label)
                del self._held[label], self._since[label]

    def _used(self, wanted: Sequence[Assignment], acknowledged: int) -> Mapping[str, Usage] | None:
        waits = any(
            held.quiet_since is not None and held.quiet_since <= acknowledged and not held.ends
            for held in self._held.values()
        )
        return self._hands.used() if waits or self._crew.demand.asks(wanted) else None

    def _is_busy(self, label: str, used: Mapping[str, Usage] | None) -> bool:
        if self._crew.demand.waits_for_room(label):
            return False
        since = self._since.get(label)
        if since is not None and self._clock() - since >= DRAIN_S:
            return False
        return used is None or used.get(label, NONE).taken > 0

    def _is_gone(
        self, label: str, applications: Mapping[str, fleet.Application], is_told: bool
    ) -> bool:
        """``is_told``: every gateway has the last table, which came after it was let go."""
        if not self._crew.version(label).is_hosted:
            return is_told
        group = self._crew.group(self._crew.carrier(label))
        told = self._accounts.told(label)
        left = told.ready | told.loading
        if group is not None and self._ends_as_a_whole(group):
            return group.application not in applications and not left
        return not left

    def _may_begin(self, version: Version) -> bool:
        """False while the group that it is to be of is still ending."""
        group = self._crew.group(Group((version,)).label)
        return group is None or not self._ends_as_a_whole(group)

    def _ends_as_a_whole(self, group: Group) -> bool:
        return all(self._held[one.label].ends for one in group.versions)

    def _let_go(self, label: str) -> None:
        """End it: with its processes, where they carry nothing else that goes on."""
        version = self._crew.version(label)
        group = self._crew.group(self._crew.carrier(label))
        self._crew.leave(label)
        if not version.is_hosted:
            # The next table is without it.
            return
        if group is not None and all(
            self._held[one.label].ends for one in group.versions if one.label != label
        ):
            self._hands.end(group)
        else:
            self._hands.leave(version)
