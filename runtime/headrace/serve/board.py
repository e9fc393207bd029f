"""What the console shows of a run on Ray."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final

from headrace.console.board import ModelStatus, Status, VersionStatus, not_carried
from headrace.execution.policy import WHOLE
from headrace.models import Tensor
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version
from headrace.serve import deaths, fleet
from headrace.serve.crew import Crew
from headrace.serve.plan import Group
from headrace.serve.summed import summed
from headrace.serve.voice import PROFILES

#: The processes that carry what has no hosts.
GATEWAY: Final = "gateway"
#: Of a version that nothing has been heard of yet.
UNKNOWN: Final = Standing(State.DECLARED, "waiting for Ray to start")


class RunBoard:
    """Joins what replicas told, what Serve says and what the gateway counts. Any thread may ask."""

    def __init__(self, crew: Crew, console: str, ask: Callable[[str], list[str]]) -> None:
        """``ask`` returns the answers of gateways as JSON, of the one that serves last."""
        self._crew = crew
        self._ask = ask
        self._lock = threading.Lock()
        self._addresses = {"console": console}
        self._processes: dict[str, list[int]] = {}
        self._inputs: dict[str, Sequence[Tensor]] = {}
        self.draining = ""
        self._began = monotonic()
        self.records: Callable[[], Mapping[str, deaths.Record]] = dict
        self.standings: Mapping[str, Standing] = {}
        #: When each version came to the state that it is in.
        self._since: dict[str, tuple[State, float]] = {}
        self.applications: Mapping[str, fleet.Application] = {}

    def hear(self, label: str, facts: Mapping[str, Any]) -> None:
        """Take what a replica told of itself."""
        pid = int(facts.get("pid", 0))
        with self._lock:
            pids = self._processes.setdefault(label, [])
            match facts["event"]:
                case "here" if pid not in pids:
                    pids.append(pid)
                case "gone" if pid in pids:
                    pids.remove(pid)
                case "listening":
                    self._addresses.update(facts["addresses"])
                case "inputs":
                    model = facts["version"].partition("/")[0]
                    self._inputs[model] = [
                        Tensor(name, datatype, shape) for name, datatype, shape in facts["inputs"]
                    ]

    def stand(self, standings: Mapping[str, Standing]) -> None:
        """Take how every version stands now."""
        since: dict[str, tuple[State, float]] = {}
        for label, one in standings.items():
            before = self._since.get(label)
            same = before and before[0] is one.state
            since[label] = before if before and same else (one.state, monotonic())
        self._since, self.standings = since, standings

    @property
    def inputs(self) -> Mapping[str, Sequence[Tensor]]:
        """Model → what it takes, of the versions that were loaded."""
        with self._lock:
            return dict(self._inputs)

    @property
    def processes(self) -> Mapping[str, Sequence[int]]:
        """Label of a group, or `gateway` → the processes of its replicas."""
        with self._lock:
            return {label: tuple(pids) for label, pids in self._processes.items() if pids}

    def requests(self) -> Sequence[Mapping[str, Any]]:
        """As `headrace.console.board.Board` has it."""
        kept = [request for one in self._ask("requests") for request in json.loads(one)]
        return sorted(kept, key=lambda one: -int(one["unix_ms"]))

    def evidence(self) -> list[str]:
        """Return what each gateway that answers has counted of versions that are judged."""
        return self._ask("evidence")

    def profiles(self, shown: str) -> list[str]:
        """Return what each gateway that answers has counted of versions that are watched.

        ``shown``: what its metrics page is to say of them, as JSON.
        """
        return self._ask(f"{PROFILES} {shown}")

    def crashes(self) -> dict[str, int]:
        """Return how many hosts of each version have ended by themselves, by label."""
        return {label: record.count for label, record in self.records().items()}

    def status(self) -> Status:
        """Return everything, at this moment."""
        records = self.records()
        stats = summed([json.loads(one) for one in self._ask("stats")])
        counted = stats.get("models", {})
        models: dict[str, list[VersionStatus]] = {}
        for version, group in self._crew.members:
            rows = counted.get(version.model, {}).get("versions", {}).get(str(version.number), {})
            record = records.get(version.label, deaths.NONE)
            status = VersionStatus(
                version=version.number,
                standing=self.standings.get(version.label, UNKNOWN),
                process=GATEWAY if group is None else group.label,
                digest=self._crew.digest(version.label),
                for_s=monotonic() - self._since.get(version.label, (None, self._began))[1],
                deaths=record.count,
                last_death=str(record.deaths[-1]) if record.deaths else "",
                hosts=rows.get("hosts", 0) if group is None else self._hosts(version, group),
                hosts_wanted=1 if group is None else group.placement.replicas.min,
                lanes=0 if group is None else version.config.lanes,
                threads=0 if group is None else self._crew.threads(version.label),
                waiting=rows.get("waiting", 0),
                in_flight=rows.get("in_flight", 0),
                share_percent=100 * rows.get("share", 0) / WHOLE,
            )
            models.setdefault(version.model, []).append(status)
        carried = {version.label for version, _ in self._crew.members}
        for label, standing in self.standings.items():
            if label not in carried:
                model, _, number = label.rpartition("/")
                rows = counted.get(model, {}).get("versions", {}).get(number, {})
                row = not_carried(int(number), standing, rows)
                models.setdefault(model, []).append(row)
        with self._lock:
            addresses = dict(self._addresses)
        found = [ModelStatus(name, versions) for name, versions in models.items()]
        return Status(
            engine="ray",
            addresses=addresses,
            models=found,
            draining=self.draining,
            processes=self.processes,
            cpus=self._crew.budget.cpus,
            io_threads=self._crew.budget.io,
            shadows=stats.get("shadows", []),
        )

    def _hosts(self, version: Version, group: Group) -> int:
        application = self.applications.get(group.application)
        standing = self.standings.get(version.label, UNKNOWN)
        return application.running if application and standing.state is State.READY else 0
