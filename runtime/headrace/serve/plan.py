"""What a run is to serve, and the table that its gateways are given. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from headrace.config.options import ServeOptions
from headrace.config.schema import Placement
from headrace.execution import threads
from headrace.execution.policy import Epoch, table
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version
from headrace.serve.gateway import Table

#: Memory that a gateway takes large bodies into, for hosts to map; taken at its start, so that no
#: request finds it gone. What does not fit travels through the socket.
ARENA_BYTES: Final = 128 << 20
#: One serves, one stands by. The second comes once everything is up, so that it delays nothing.
GATEWAYS: Final = 2
#: So many checks in a row must fail before Serve replaces a replica.
CHECKS: Final = 3
#: A busy machine may keep a host from its word for so long.
SHORTEST_PATIENCE_S: Final = 10.0
#: A host whose model hangs has ended by itself well within this.
ENDING_S: Final = 15.0
#: A loading version's standing in the gateways' table.
WANTED: Final = Standing(State.READY, "")
LOADING: Final = Standing(State.LOADING, "")


@dataclass(frozen=True)
class Group:
    """One host group: versions of which each of its processes carries all.

    One that is alone (`placement.isolation: own`), or some that share and agree on all that a
    process has.
    """

    versions: tuple[Version, ...]

    @property
    def placement(self) -> Placement:
        """What each of the processes has; the versions agree on that."""
        return self.versions[0].config.placement

    @property
    def is_shared(self) -> bool:
        """Whether other versions may be in the process."""
        return self.placement.isolation == "shared"

    @property
    def label(self) -> str:
        """What people read: `photos/1`, or `shared` and what else its processes have.

        A shared one's has no slash, and so is no version's.
        """
        return shared_name(self.placement) if self.is_shared else self.versions[0].label

    @property
    def application(self) -> str:
        """The Serve application's name; no slash, it becomes part of file names."""
        if self.is_shared:
            # The names of the others begin with "host-", or are "gateway".
            return self.label
        (version,) = self.versions
        return f"host-{version.model}-{version.number}"

    @property
    def patience_s(self) -> float:
        """How long Serve waits for a host's answer to one check."""
        return max(patience_s(one.config.limits.hang_timeout_s) for one in self.versions)


@dataclass(frozen=True)
class Plan:
    """A whole run."""

    groups: tuple[Group, ...]
    #: Of the gateway's core, as it reads them.
    settings: Mapping[str, Any]
    #: How long accepted requests may take to finish at the end, in seconds.
    drain_s: float
    budget: threads.Budget

    @property
    def ray_cpus(self) -> int:
        """How many CPUs Ray is told of.

        It makes a process for each before anybody asks, of 50 MiB and up to 50 threads: no more
        than there is work for. What they may use is our own budget.
        """
        hosts = sum(group.placement.replicas.min for group in self.groups)
        return min(self.budget.cpus, hosts + GATEWAYS)

    @property
    def members(self) -> list[tuple[Version, Group]]:
        """Every version with its group, in the order of models and versions."""
        found = [(version, group) for group in self.groups for version in group.versions]
        return sorted(found, key=lambda one: (one[0].model, one[0].number))


def make(
    options: ServeOptions, versions: Sequence[Version], cpus: int, told: int | None = None
) -> Plan:
    """Return the run that was asked for, every thread of it within ``cpus``.

    Unless model.yaml says otherwise, or the operator has ``told`` how many threads a lane has.
    """
    lanes = [threads.lanes_of(one, one.config.placement.replicas.min) for one in versions]
    budget = threads.plan(cpus, lanes, told)
    settings = {
        "http": options.address(0),
        "grpc": options.address(1),
        "metrics": options.address(2),
        "io_threads": budget.io,
        "arena_bytes": ARENA_BYTES,
        "limits": dict(options.limits),
    }
    return Plan(grouped(versions), settings, options.drain_s, budget)


def grouped(versions: Iterable[Version]) -> tuple[Group, ...]:
    """Return who shares processes with whom, in the order of the first of each group."""
    groups: dict[str, list[Version]] = {}
    for version in versions:
        groups.setdefault(Group((version,)).label, []).append(version)
    return tuple(Group(tuple(members)) for members in groups.values())


def shared_name(placement: Placement) -> str:
    """Return the name of the group of all versions that share what this placement says.

    What is as it would be without a word in model.yaml is left out.
    """
    parts = ["shared"]
    if placement.gpus:
        parts.append(f"gpus-{placement.gpus:.15g}")
    if placement.replicas.min > 1:
        parts.append(f"replicas-{placement.replicas.min}")
    if placement.threads is not None:
        parts.append(f"threads-{placement.threads}")
    return "-".join(parts)


def patience_s(hang_timeout_s: float) -> float:
    """Return how long Serve waits for a host's answer to one check.

    A model that holds Python's lock keeps the host from answering. Whether it hangs is for the core
    to say, which needs no lock, and whose host ends itself: Serve is to come later, and is needed
    only for a host that stands still as a whole.
    """
    return max(SHORTEST_PATIENCE_S, (hang_timeout_s + ENDING_S) / CHECKS)


def routing(
    groups: Sequence[Group],
    standings: Mapping[str, Standing],
    served: Set[str] = frozenset(),
    sequence: int = 1,
) -> Table:
    """Return the gateways' table.

    A version that loads is READY here: whether a host carries it the gateway sees itself, and
    sooner. Requests that name no version go to the highest one that has ``served``, by label; one
    whose host is being replaced keeps them, for they may wait for that.
    """
    models: dict[str, dict[int, Standing]] = {}
    proven: dict[str, dict[int, Standing]] = {}
    for version in (one for group in groups for one in group.versions):
        standing = standings.get(version.label, LOADING)
        failed = standing.state is State.FAILED
        models.setdefault(version.model, {})[version.number] = standing if failed else WANTED
        known = standing if failed else WANTED if version.label in served else LOADING
        proven.setdefault(version.model, {})[version.number] = known
    policy = json.loads(table(Epoch(sequence=sequence), models, proven))
    return Table(policy=policy, hosts=[group.application for group in groups])
