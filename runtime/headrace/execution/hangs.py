"""Versions that were given up: heard of from the core, which has answered their callers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from headrace.execution.core import CoreHost


@dataclass(frozen=True)
class Hang:
    """A model that does not come back, or has lost its device; as text, what people are told."""

    model: str
    version: int
    #: Of the batch that it was given up for.
    rows: int
    #: What that did not come back within.
    limit_s: float = 0.0
    #: What was said of the device, if that is it.
    lost_device: str = ""

    def __str__(self) -> str:
        if self.lost_device:
            return f"the model lost its device: {self.lost_device}"
        rows = f"{self.rows} row{'s'[: self.rows != 1]}"
        return (
            f"the model did not come back with {rows} within {self.limit_s:g} s "
            "(limits.hang_timeout_s)"
        )


def hangs(host: CoreHost) -> Iterator[Hang]:
    """Yield each model that hangs, as it does, until the host is drained.

    To ask for the next one tells the core that the last one is dealt with.
    """
    while (report := host.next_hang()) is not None:
        yield Hang(**json.loads(report))
