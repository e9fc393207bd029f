"""Models that do not come back: heard of from the core, which has answered their callers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from headrace.execution.core import CoreHost


@dataclass(frozen=True)
class Hang:
    """A batch that was given up; as text, what people are told."""

    model: str
    version: int
    rows: int
    limit_s: float

    def __str__(self) -> str:
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
