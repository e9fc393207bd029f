"""How a version of the one process is, as the console shows it."""

from time import monotonic
from typing import Any

from headrace.console.board import VersionStatus
from headrace.execution.policy import WHOLE
from headrace.execution.runner import Runner
from headrace.local.unhosted import UnhostedRunner
from headrace.models.lifecycle import Standing


def version_status(
    runner: Runner | UnhostedRunner, counted: Any, standing: Standing
) -> VersionStatus:
    """Return how a version is that this process carries, with what the gateway counts of it."""
    return VersionStatus(
        version=runner.version.number,
        standing=standing,
        digest=runner.digest,
        for_s=monotonic() - runner.since,
        hosts=counted.get("hosts", 0),
        waiting=counted.get("waiting", 0),
        in_flight=counted.get("in_flight", 0),
        share_percent=100 * counted.get("share", 0) / WHOLE,
        lanes=runner.lanes,
        threads=runner.threads,
        deaths=runner.losses if isinstance(runner, UnhostedRunner) else 0,
    )
