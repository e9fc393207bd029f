"""One version that a process carries, as far as it has come."""

import os
from dataclasses import dataclass, replace
from typing import Final

from headrace.control.reconcile import DRAIN_S, LEAVING, Held
from headrace.execution.runner import Runner
from headrace.local.unhosted import UnhostedRunner
from headrace.models.lifecycle import Standing, State

WAITED_FOR: Final = Standing(State.READY, "")


@dataclass
class Carried:
    """One version, from the moment that it is asked for until nothing of it is left."""

    runner: Runner | UnhostedRunner
    held: Held
    #: Seconds for which it has been quiet, and whether it has ended.
    quiet_s: float = 0.0
    gone: bool = False

    @property
    def own_standing(self) -> Standing:
        """As its runner has it; of a shortage it tells what this process has."""
        standing = self.runner.standing
        if (short := standing.short) is None:
            return standing
        ours = {one.label: {os.getpid()} for one in short.held}
        return replace(standing, short=short.of(ours))

    @property
    def standing(self) -> Standing:
        """As others are told."""
        return self.own_standing if self.held.quiet_since is None else LEAVING

    @property
    def told(self) -> Standing:
        """As the gateway is told: it lets requests wait for a server that was lost."""
        waits = isinstance(self.runner, UnhostedRunner) and self.runner.is_lost
        return WAITED_FOR if waits and self.held.quiet_since is None else self.standing

    @property
    def losses(self) -> int:
        """How often a version was lost that the gateway carries itself."""
        return self.runner.losses if isinstance(self.runner, UnhostedRunner) else 0

    @property
    def is_late(self) -> bool:
        """Whether what it had accepted has had its time."""
        return self.quiet_s >= DRAIN_S
