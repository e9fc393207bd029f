"""What a run is to serve, and the table that its gateways are given. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from headrace.config.options import ServeOptions
from headrace.config.placement import Placement
from headrace.control.reconcile import LEAVING
from headrace.execution import threads
from headrace.execution.policy import Division, Epoch, table
from headrace.execution.unhosted import Carriage
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
    def python(self) -> Path | None:
        """The interpreter of each of the processes; None is Headrace's."""
        return self.versions[0].python

    @property
    def is_shared(self) -> bool:
        """Whether other versions may be in the process."""
        return self.placement.isolation == "shared"

    @property
    def label(self) -> str:
        """What people read: `photos/1`, or `shared` and what else its processes have.

        A shared one's has no slash, and so is no version's.
        """
        return (
            shared_name(self.placement, self.python) if self.is_shared else self.versions[0].label
        )

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
    """What does not change while a run lasts."""

    #: Of the gateway's core, as it reads them.
    settings: Mapping[str, Any] = field(repr=False)
    #: How long accepted requests may take to finish at the end, in seconds.
    drain_s: float
    #: How many CPUs Ray is told of.
    ray_cpus: int = 1
    #: Processes that are kept ready for hosts to come; no more than CPUs.
    spare_hosts: int = 1


def make(
    options: ServeOptions,
    groups: Iterable[Group],
    budget: threads.Budget,
    prediction_key: bytes,
    token: str | None = None,
) -> Plan:
    """Return the run that was asked for, with these groups at its start.

    Ray makes a process for each CPU before anybody asks, of 50 MiB and up to 50 threads: it is told
    of no more than there is work for. What they may use is our own budget.
    """
    hosts = sum(group.placement.replicas.min for group in groups)
    settings = options.gateway(budget.io, ARENA_BYTES, prediction_key, token)
    cpus = min(budget.cpus, hosts + GATEWAYS)
    return Plan(settings, options.drain_s, cpus, min(options.spare_hosts, budget.cpus))


def lanes_of(version: Version) -> threads.Lanes:
    """Return the lanes of a version, of all its hosts."""
    return threads.lanes_of(version, version.config.placement.replicas.min)


def grouped(versions: Iterable[Version]) -> tuple[Group, ...]:
    """Return who shares processes with whom, in the order of the first of each group."""
    groups: dict[str, list[Version]] = {}
    for version in versions:
        groups.setdefault(label_of(version), []).append(version)
    return tuple(Group(tuple(members)) for members in groups.values())


def label_of(version: Version) -> str:
    """Return the label of the group that a version is of."""
    return Group((version,)).label


def shared_name(placement: Placement, python: Path | None = None) -> str:
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
    if python is not None:
        # STATE/environments/KEY/bin/python
        parts.append(f"environment-{python.parent.parent.name}")
    return "-".join(parts)


def patience_s(hang_timeout_s: float) -> float:
    """Return how long Serve waits for a host's answer to one check.

    A model that holds Python's lock keeps the host from answering. Whether it hangs is for the core
    to say, which needs no lock, and whose host ends itself: Serve is to come later, and is needed
    only for a host that stands still as a whole.
    """
    return max(SHORTEST_PATIENCE_S, (hang_timeout_s + ENDING_S) / CHECKS)


@dataclass(frozen=True)
class Routes:
    """What gateways are told about, apart from how versions stand."""

    groups: Sequence[Group] = ()
    #: How the requests of each model are divided.
    divisions: Mapping[str, Division] = field(default_factory=dict)
    #: Labels of versions that are to get nothing new.
    quiet: Set[str] = frozenset()
    #: And of those that have served.
    served: Set[str] = frozenset()
    #: Those that are loaded on demand, and how each stands while no group has it.
    standby: Mapping[str, Standing] = field(default_factory=dict)
    #: Of versions that gateways carry themselves: these, and what gateways are to know of them.
    unhosted: Sequence[Version] = ()
    carriages: Sequence[Carriage] = ()


def routing(routes: Routes, standings: Mapping[str, Standing], epoch: Epoch) -> Table:
    """Return the gateways' table.

    A version that loads is READY here: whether a host carries it the gateway sees itself, and
    sooner. While it is not decided who has the traffic, requests that name no version go to the
    highest one that has served; one whose host is being replaced keeps them, for they may wait for
    that.
    """
    models: dict[str, dict[int, Standing]] = {}
    proven: dict[str, dict[int, Standing]] = {}
    hosted = [one for group in routes.groups for one in group.versions]
    for version in (*hosted, *routes.unhosted):
        standing = standings.get(version.label, LOADING)
        if version.label in routes.quiet:
            told = known = LEAVING
        elif standing.state is State.FAILED:
            told = known = standing
        else:
            told, known = WANTED, WANTED if version.label in routes.served else LOADING
        models.setdefault(version.model, {})[version.number] = told
        proven.setdefault(version.model, {})[version.number] = known
    for label, standing in routes.standby.items():
        model, _, number = label.rpartition("/")
        models.setdefault(model, {}).setdefault(int(number), standing)
        proven.setdefault(model, {}).setdefault(int(number), standing)
    policy = json.loads(table(epoch, models, proven, routes.divisions, set(routes.standby)))
    return Table(
        policy=policy,
        hosts=[group.application for group in routes.groups],
        carried=[asdict(one) for one in routes.carriages],
    )
