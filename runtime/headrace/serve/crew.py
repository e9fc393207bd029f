"""The versions that a run carries at this moment, and the groups of processes that carry them."""

import threading
from collections.abc import Iterable

from headrace.control.demand import Demand
from headrace.execution import threads
from headrace.repository.folder import Version
from headrace.repository.instances import original
from headrace.serve.plan import Group, grouped, label_of, lanes_of


class Crew:
    """Any thread may call any of this."""

    def __init__(
        self,
        versions: Iterable[Version],
        cpus: int,
        told: int | None = None,
        demand: Demand | None = None,
    ) -> None:
        """Begin with ``versions``, and with what `threads.plan` divides among their lanes.

        ``demand`` decides which of those that are wanted are carried; all, if left out.
        """
        self.demand = demand or Demand(None)
        self._lock = threading.Lock()
        self._versions = {one.label: one for one in versions}
        self._leaving: set[str] = set()
        #: Of the files of each, as its first host found them.
        self._digests: dict[str, str] = {}
        self._told = told
        self.budget = threads.plan(cpus, map(lanes_of, self._versions.values()), told)

    @property
    def groups(self) -> tuple[Group, ...]:
        """Who shares processes with whom."""
        with self._lock:
            return grouped(one for one in self._versions.values() if one.is_hosted)

    @property
    def unhosted(self) -> list[Version]:
        """Those that gateways carry themselves."""
        with self._lock:
            return [one for one in self._versions.values() if not one.is_hosted]

    @property
    def members(self) -> list[tuple[Version, Group | None]]:
        """Every version with its group, if it has one, in the order of models and versions."""
        hosted = [(version, group) for group in self.groups for version in group.versions]
        found = [*hosted, *((version, None) for version in self.unhosted)]
        return sorted(found, key=lambda one: (one[0].model, one[0].number))

    def group(self, label: str) -> Group | None:
        """Return the group of this label, if it has members."""
        return next((one for one in self.groups if one.label == label), None)

    def has(self, version: Version) -> bool:
        """Whether it is carried."""
        with self._lock:
            return version.label in self._versions

    def version(self, label: str) -> Version:
        """Return a version as it is configured now."""
        with self._lock:
            return self._versions[label]

    def carrier(self, label: str) -> str:
        """Return the label of the group that a version is of."""
        return label_of(self.version(label))

    def threads(self, label: str) -> int:
        """Return how many threads each lane of a version may work on a batch with."""
        return self.budget.lanes[label]

    def digest(self, label: str) -> str:
        """Return the digest of a version's files as they were loaded; nothing before that."""
        with self._lock:
            # A control runs the files of its version.
            return self._digests.get(label) or self._digests.get(original(label), "")

    def found(self, label: str, digest: str) -> None:
        """Note what the files of a version were when a host loaded them: all others' are so."""
        with self._lock:
            if label in self._versions:
                self._digests.setdefault(label, digest)

    def put(self, version: Version) -> None:
        """Carry a version, or have it configured otherwise from now on."""
        with self._lock:
            self._versions[version.label] = version
            self._plan()

    @property
    def leaving(self) -> frozenset[str]:
        """The versions that hosts were told to end: no new one loads them."""
        with self._lock:
            return frozenset(self._leaving)

    def leave(self, label: str) -> None:
        """Have no new host load a version."""
        with self._lock:
            self._leaving.add(label)

    def drop(self, label: str) -> None:
        """Carry it no more: nothing of it is left."""
        with self._lock:
            del self._versions[label]
            self._leaving.discard(label)
            self._digests.pop(label, None)
            self._plan()

    def _plan(self) -> None:
        lanes = map(lanes_of, self._versions.values())
        self.budget = threads.joined(self.budget, lanes, self._told)
