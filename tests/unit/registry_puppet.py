"""A registry that answers when a test says so, and a reporter that tells it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headrace.errors import SourceAway
from headrace.registry.delivering import Outcome
from headrace.registry.report import Report
from headrace.registry.reporting import Begun, Patience, Reporter
from headrace.registry.standing import Standing
from headrace.spool import BOUNDS

#: For what takes milliseconds.
PATIENCE_S = 20.0


class Registry:
    """Stands for one: says what it was told, and fails where it is made to."""

    def __init__(self) -> None:
        self.told: list[Report] = []
        self._heard = threading.Condition()
        self.tries: list[int] = []
        #: Steps of each question.
        self.batches: list[list[int]] = []
        #: Of a model → errors that come before it is heard.
        self.errors: dict[str, list[Exception]] = {}
        self.refuses: set[int] = set()
        self.most = 100
        self.is_up = threading.Event()
        self.is_up.set()
        self.asked = threading.Event()

    def __call__(self, reports: Sequence[Report], *, tries: int, begun: Begun) -> list[Outcome]:
        ended = threading.Event()

        def end() -> None:
            ended.set()
            self.is_up.set()

        begun(end)
        self.asked.set()
        assert self.is_up.wait(PATIENCE_S)
        if ended.is_set():
            raise SourceAway("it was ended")
        self.tries.append(tries)
        self.batches.append([report.step for report in reports])
        if errors := self.errors.get(reports[0].model):
            raise errors.pop(0)
        heard = reports[: self.most]
        with self._heard:
            self.told += heard
            self._heard.notify_all()
        return [
            Outcome("it will not" if one.step in self.refuses else "", f"run of {one.step}")
            for one in heard
        ]

    def heard(self, count: int) -> None:
        """Wait until so many reports were told."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.told) >= count, PATIENCE_S)

    @property
    def steps(self) -> list[int]:
        return [report.step for report in self.told]


def at_once(tries: int) -> float:
    return 0.0


def never(tries: int) -> float:
    return 1e6


@contextmanager
def reporting(
    state: Path, registry: Registry, said: list[str] | None = None, **settings: Any
) -> Iterator[Reporter]:
    patience = Patience(settings.pop("bounds", BOUNDS), settings.pop("retry", at_once))
    say = list[str]().append if said is None else said.append
    reporter = Reporter(state, say, deliver=registry, patience=patience, **settings)
    try:
        yield reporter
    finally:
        reporter.close()


def flushed(reporter: Reporter) -> Standing:
    """Wait for all that can be delivered, and return how the one model stands."""
    reporter.close(patience_s=PATIENCE_S)
    (standing,) = reporter.status()
    return standing
