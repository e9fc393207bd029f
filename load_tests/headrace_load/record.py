"""What a run came to: latencies as callers saw them, and what became of those who got no answer."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from headrace_load.pacer import Dropped, Sent
from headrace_load.senders import Stages

PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)


@dataclass
class Record:
    """Eight bytes a request and figure; times in milliseconds, from the moment of being due."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    #: How late requests were sent: the load generator's own delay, which is in the latencies too.
    late: array[float] = field(default_factory=lambda: array("d"))
    queue: array[float] = field(default_factory=lambda: array("d"))
    compute: array[float] = field(default_factory=lambda: array("d"))
    rows: array[float] = field(default_factory=lambda: array("d"))
    #: Why there was no answer → how often.
    errors: Counter[str] = field(default_factory=Counter)
    #: What the first of them said.
    first_error: str = ""
    dropped: int = 0

    def add(self, sent: Sent) -> None:
        """Count one request."""
        self.late.append(1000 * sent.late)
        if isinstance(sent.error, Dropped):
            self.dropped += 1
        elif sent.error is not None:
            self.errors[_kind(sent.error)] += 1
            self.first_error = self.first_error or str(sent.error) or type(sent.error).__name__
        else:
            self.latencies.append(1000 * sent.latency)
            if isinstance(sent.answer, Stages):
                self.queue.append(sent.answer.queue_ms)
                self.compute.append(sent.answer.compute_ms)
                self.rows.append(sent.answer.batch_rows)

    @property
    def count(self) -> int:
        """How many requests were due."""
        return len(self.late)

    def in_time(self, limit_ms: float) -> int:
        """Return how many were answered within the limit."""
        return int(np.count_nonzero(np.asarray(self.latencies) <= limit_ms))

    def summary(self, seconds: float) -> dict[str, object]:
        """Return the run as a document; ``seconds`` is how long requests were due for."""
        document: dict[str, object] = {
            "due": self.count,
            "answered": len(self.latencies),
            "answered_per_s": len(self.latencies) / seconds,
            "dropped": self.dropped,
            "errors": dict(self.errors),
            "first_error": self.first_error,
            "latency_ms": percentiles(self.latencies),
            "late_ms": percentiles(self.late),
        }
        if self.rows:
            document["queue_ms"] = percentiles(self.queue)
            document["compute_ms"] = percentiles(self.compute)
            # A batch of eight is seen by each of its rows.
            document["rows_a_batch"] = len(self.rows) / float(np.sum(1 / np.asarray(self.rows)))
        return document


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p90, p99, p99.9, mean and max; none of nothing."""
    if not values:
        return {}
    data = np.asarray(values)
    of = dict(zip(PERCENTILES, np.percentile(data, PERCENTILES), strict=True))
    named = {f"p{percent:g}": float(value) for percent, value in of.items()}
    return {**named, "mean": float(data.mean()), "max": float(data.max())}


def _kind(error: Exception) -> str:
    """One word for many errors: the code that they begin with, or the kind of exception."""
    text = str(error)
    code = text.split(" ", 1)[0]
    return code if code.isupper() or code.isdigit() else type(error).__name__
