"""What counts as flat."""

from dataclasses import replace

import numpy as np
import pytest
from tests.soak.pressure import Figures, figures
from tests.soak.verdict import Minute, faults

STEADY = Minute(
    figures={name: Figures(1000.0, 1.0, 5.0, 0) for name in ("http", "grpc")},
    memory={"gateway": 100.0, "host": 200.0, "Ray": 900.0},
)


def hour(**changes: Minute) -> list[Minute]:
    return [changes.get(f"at_{number}", STEADY) for number in range(60)]


def late(minute: Minute) -> list[Minute]:
    return hour(**{f"at_{number}": minute for number in range(50, 60)})


def failing(minute: Minute) -> Minute:
    return replace(minute, figures={**minute.figures, "grpc": Figures(1000.0, 1.0, 5.0, 3)})


SLOW = replace(STEADY, figures={**STEADY.figures, "http": Figures(1000.0, 1.0, 8.0, 0)})


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (hour(), []),
        (hour(at_7=replace(STEADY, wrong=2)), ["2 answers were not their callers' own"]),
        (hour(at_7=failing(STEADY)), ["minute 7, grpc: 3 calls failed"]),
        (hour(at_7=failing(replace(STEADY, struck="quick/1"))), []),
        (late(replace(STEADY, memory={"gateway": 121.0, "host": 219.0})), ["gateway: 100 MiB"]),
        (late(SLOW), ["http: a p99 of 5.00 ms became 8.00 ms"]),
        (hour()[:24], ["24 minutes are too few"]),
    ],
)
def test_what_grows_is_found(minutes: list[Minute], said: list[str]) -> None:
    found = faults(minutes)
    assert len(found) == len(said)
    assert all(fault.startswith(begin) for fault, begin in zip(found, said, strict=True))


def test_a_log_is_added_up() -> None:
    log = np.array([[0, 200, 1000], [5, 200, 3000], [9, 503, 10], [11, -1, 10]])
    assert figures(log, 2.0) == Figures(rate=1.0, p50_ms=2.0, p99_ms=2.98, failed=2)
