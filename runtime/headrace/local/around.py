"""What one process carries versions with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from headrace.control.demand import Usage
from headrace.execution import threads
from headrace.execution.core import CoreHost
from headrace.execution.runner import Runner
from headrace.execution.unhosted import CoreGateway, carry
from headrace.execution.voices import Sink
from headrace.local.unhosted import UnhostedRunner
from headrace.models.lifecycle import Standing
from headrace.repository.folder import Version


@dataclass(frozen=True)
class Around:
    """What versions are carried with."""

    host: CoreHost
    #: Takes the gateway's table, as JSON.
    apply: Callable[[str], None]
    #: What the gateway counts of each version, by label.
    used: Callable[[], Mapping[str, Usage]]
    sink: Sink
    budget: threads.Budget
    #: Carries versions itself that have no host.
    gateway: CoreGateway
    #: How many threads a lane has, if the operator says so.
    told: int | None = None
    #: How many versions that share a process may be in memory; None: all.
    max_loaded: int | None = None
    #: The folder of what callers sent, where that is kept.
    recordings: Path | None = None

    def runner(
        self, version: Version, count: int, moved: Callable[[Standing], None]
    ) -> Runner | UnhostedRunner:
        """Return what has a version's life, with so many threads for each lane."""
        if not version.is_hosted:
            return UnhostedRunner(version, partial(carry, self.gateway), self.sink, moved)
        return Runner(
            version, self.host, self.sink, moved, threads=count, recordings=self.recordings
        )
