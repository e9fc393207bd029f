"""A model that does not come back, and whoever waits: what people are told."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.test_execution import SealedBatch, work

from headrace import Batch
from headrace.execution import lanes
from headrace.execution.hangs import hangs
from headrace.execution.reminder import Reminder


def test_where_a_model_hangs_is_told_for_the_lanes_that_are_in_it() -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Intake:
        batches: list[SealedBatch | None] = [SealedBatch(), None]  # noqa: RUF012

        def next_batch(self, lane: int) -> SealedBatch | None:
            if lane == 1:
                go_on.wait(30)
                return None
            return self.batches.pop(0)

    def hangs_here(batch: Batch) -> Any:
        inside.set()
        go_on.wait(30)
        return {"y": batch["x"]}

    threads = lanes.start(work(hangs_here, [], intake=Intake()), 2)
    assert inside.wait(30)
    told = lanes.whereabouts(threads)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert told.startswith("photos/1 lane 0, most recent call last:\n  File ")
    assert "in hangs_here" in told
    assert "lane 1" not in told
    assert "in answer" not in told, "of our own frames there is nothing to learn"
    assert lanes.whereabouts(threads) == ""


def test_who_waits_is_reminded_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    fired: list[Callable[[], None]] = []

    class Timer:
        daemon = False

        def __init__(self, pause_s: float, call: Callable[[], None]) -> None:
            pauses.append(pause_s)
            fired.append(call)

        def start(self) -> None: ...

        def cancel(self) -> None: ...

    monkeypatch.setattr(threading, "Timer", Timer)
    spoken: list[str] = []
    reminder = Reminder(lambda: spoken.append("still"), first_s=30)
    reminder.start()
    for _ in range(3):
        fired[-1]()
    assert (pauses, len(spoken)) == ([30, 60, 120, 240], 3)
    reminder.cancel()
    fired[-1]()
    assert (len(pauses), len(spoken)) == (4, 3)


def test_a_hang_says_what_it_was() -> None:
    class Host:
        reports: list[str | None] = [  # noqa: RUF012
            '{"model": "m", "version": 2, "rows": 1, "limit_s": 0.5}',
            '{"model": "m", "version": 3, "rows": 4, "limit_s": 300.0}',
            None,
        ]

        def next_hang(self) -> str | None:
            return self.reports.pop(0)

    host: Any = Host()
    assert [str(one) for one in hangs(host)] == [
        "the model did not come back with 1 row within 0.5 s (limits.hang_timeout_s)",
        "the model did not come back with 4 rows within 300 s (limits.hang_timeout_s)",
    ]
