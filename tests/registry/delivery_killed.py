"""Kills a process at each call that it makes to MLflow to tell a report, and tells it again, twice.

A line for each kill: the rollout, of which all of it was told.
"""

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from mlflow import MlflowClient
from tests.reports import whole

from headrace.registry.delivering import Delivery
from headrace.registry.facts import Place
from headrace.registry.report import AliasMove, Report

MOST_CALLS = 40


class Deadly:
    """A client that has its process killed right before its ``last``-th call."""

    def __init__(self, client: Any, last: int) -> None:
        self._client = client
        self._left = last

    def __getattr__(self, name: str) -> Callable[..., Any]:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        call: Callable[..., Any] = getattr(self._client, name)
        return call


def apart(tell: Callable[[], object]) -> bool:
    """Return whether a process of its own, with its own connections, came to the end."""
    if (pid := os.fork()) == 0:
        tell()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def main(uri: str, files: str) -> None:
    def tell(report: Report, last: int = 0) -> None:
        told = Delivery(Deadly(MlflowClient(uri), last), report, files, 0).told()
        if told.refused:
            raise RuntimeError(told.refused)

    def twice(report: Report) -> None:
        tell(report)
        tell(report)

    for last in range(1, MOST_CALLS):
        report = whole(
            place=Place(uri, uri),
            rollout=f"killed-{last}",
            aliases=(AliasMove(f"killed-{last}", None),),
        )
        was_whole = apart(partial(tell, report, last))
        if not apart(partial(twice, report)):
            raise RuntimeError("it was not told")
        print(report.rollout)
        if was_whole:
            return
    raise RuntimeError("it takes more calls than are tried")


if __name__ == "__main__":
    main(*sys.argv[1:])
