"""What the console shows. Each engine has one of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from headrace.console.memory import resident
from headrace.control.shadows import judged
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import ANSWERING, ON_THE_WAY, Standing
from headrace.repository.instances import is_control, shown, spoken, version_of


@dataclass(frozen=True)
class VersionStatus:
    """One version, as an operator sees it; a control by its own number."""

    version: int
    standing: Standing
    #: Which of the server's `processes` carry it; empty where one carries everything.
    process: str = ""
    #: Of its files as they were loaded; empty before that.
    digest: str = ""
    #: How long it has been in this state.
    for_s: float = 0.0
    #: Hosts that carry it now, and that should.
    hosts: int = 0
    hosts_wanted: int = 1
    #: Hosts that ended without being asked to; when and why the last one did.
    deaths: int = 0
    last_death: str = ""
    #: Requests in the gateways' queues, and in hosts.
    waiting: int = 0
    in_flight: int = 0
    #: Of the requests that name no version, in percent.
    share_percent: float = 0.0
    #: Of each host; and the threads that each of them may work on a batch with.
    lanes: int = 1
    threads: int = 1


@dataclass(frozen=True)
class ModelStatus:
    """One model."""

    name: str
    versions: Sequence[VersionStatus]


@dataclass(frozen=True)
class Status:
    """Everything, at one moment."""

    engine: str
    #: ``http``, ``grpc``, ``metrics``, ``console`` → host:port.
    addresses: Mapping[str, str]
    models: Sequence[ModelStatus]
    #: Why no new work is taken; empty while it is.
    draining: str = ""
    #: The processes of this server → their ids.
    processes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    #: What all threads have, and the threads of the gateway that serve connections.
    cpus: int = 1
    io_threads: int = 1
    #: What shadows found, as the gateway counts it.
    shadows: Sequence[Mapping[str, Any]] = ()

    @property
    def ready(self) -> bool:
        """Whether every model has a version that serves, and new work is taken."""
        return (
            not self.draining
            and bool(self.models)
            and all(
                any(one.standing.state in ANSWERING for one in model.versions)
                for model in self.models
            )
        )


def not_carried(version: int, standing: Standing, counted: Mapping[str, Any]) -> VersionStatus:
    """Return how a version is that no host carries, with what the gateway counts of it."""
    return VersionStatus(
        version,
        standing,
        hosts_wanted=0,
        waiting=counted.get("waiting", 0),
        share_percent=100 * counted.get("share", 0) / WHOLE,
    )


def loading(status: Status) -> list[str]:
    """Return what keeps a server from being ready, a line for each version that is on its way."""
    return [
        f"{model.name}/{spoken(one.version)} has been {one.standing.state.value} for "
        f"{one.for_s:.0f} s: {one.standing.reason}"
        for model in status.models
        for one in model.versions
        if one.standing.state in ON_THE_WAY
    ]


def unfinished(status: Status, limit_s: float) -> str:
    """Return what a server waited for that ends all the same."""
    left = [
        f"{model.name}/{spoken(one.version)} ({one.waiting} waiting, {one.in_flight} running)"
        for model in status.models
        for one in model.versions
        if one.waiting or one.in_flight
    ]
    of = f": {', '.join(left)}" if left else ""
    return f"not everything was finished within {limit_s:g} s{of}"


class Board(Protocol):
    """What the console asks its engine. Called from several threads."""

    def status(self) -> Status: ...

    def requests(self) -> Sequence[Mapping[str, Any]]:
        """Return how requests went lately, those that are kept, the newest first."""
        ...


def as_json(status: Status) -> dict[str, object]:
    """Return the body of ``GET /api/status``."""
    return {
        "ready": status.ready,
        "engine": status.engine,
        "draining": status.draining,
        "addresses": dict(status.addresses),
        "cpus": status.cpus,
        "io_threads": status.io_threads,
        "processes": {shown(name): list(pids) for name, pids in status.processes.items()},
        "memory_bytes": {shown(name): resident(pids) for name, pids in status.processes.items()},
        "shadows": [judged(one) for one in status.shadows],
        "models": [
            {
                "name": model.name,
                "versions": [_row(one) for one in model.versions if not is_control(one.version)],
                "controls": [_row(one) for one in model.versions if is_control(one.version)],
            }
            for model in status.models
        ],
    }


def _row(one: VersionStatus) -> dict[str, object]:
    return {
        "version": version_of(one.version),
        "state": one.standing.state.value,
        "reason": one.standing.reason,
        "digest": one.digest,
        "for_s": round(one.for_s, 1),
        "process": shown(one.process),
        "hosts": one.hosts,
        "hosts_wanted": one.hosts_wanted,
        "deaths": one.deaths,
        "last_death": one.last_death,
        "waiting": one.waiting,
        "in_flight": one.in_flight,
        "share_percent": one.share_percent,
        "lanes": one.lanes,
        "threads": one.threads,
    }
