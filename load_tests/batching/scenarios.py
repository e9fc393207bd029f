"""What batching is measured by: each scenario loads a running server and returns figures.

Requests come when they are due, whoever still waits (`headrace_load`), over gRPC.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final

import numpy as np

from headrace_load import arrivals
from headrace_load.pacer import Sent, pace
from headrace_load.record import Record
from headrace_load.senders import Request, sender
from headrace_load.target import Target

#: Requests under way at most, far beyond what a server should let wait.
MOST: Final = 4000
#: Longer than any answer should take.
GRACE_S: Final = 30.0
#: The model `device`: 10 ms a batch and 2 ms a row, 16 rows at most.
CAPACITY: Final = 16 / (0.010 + 16 * 0.002)
DEADLINE_MS: Final = 100.0


def run(target: Target, requests: Sequence[Request], rate: float, seconds: float) -> list[Record]:
    """Send requests in turns, ``rate`` a second in all; return a record for each of them."""
    send = sender(target, requests, most=MOST, timeout_s=GRACE_S)
    records = [Record() for _ in requests]

    def tell(sent: Sent) -> None:
        records[sent.number % len(records)].add(sent)

    due = takewhile(lambda moment: moment < seconds, arrivals.poisson(rate, seed=1))
    pace(due, send, tell, most=MOST, grace_s=GRACE_S)
    return records


def request(model: str, width: int = 4, **parameters: int) -> Request:
    """Return one row of so many numbers."""
    return Request(model, {"x": ("FP32", np.zeros((1, width), np.float32))}, parameters)


def pull(target: Target, seconds: float) -> dict[str, Any]:
    """Load a device that takes 50 ms over any batch with 250 requests a second."""
    (record,) = run(target, [request("serial")], 250, seconds)
    return record.summary(seconds)


def goodput(target: Target, times: float, seconds: float, *, guarded: bool) -> dict[str, Any]:
    """Offer so many times what the device can do; each answer is wanted within 100 ms.

    Half of the requests are of the higher priority. Not ``guarded``: the server is told neither
    priority nor deadline, and serves who comes first.
    """
    told = {"timeout": int(1000 * DEADLINE_MS)} if guarded else {}
    levels = [1, 2]
    requests = [
        request("device", **told, **({"priority": level} if guarded else {})) for level in levels
    ]
    records = run(target, requests, times * CAPACITY, seconds)
    figures: dict[str, Any] = {"times": times, "capacity": CAPACITY, "guarded": guarded}
    in_time = 0
    for level, record in zip(levels, records, strict=True):
        in_time += record.in_time(DEADLINE_MS)
        figures[f"priority_{level}"] = {
            **record.summary(seconds),
            "in_time": record.in_time(DEADLINE_MS),
        }
    figures["in_time_of_capacity"] = in_time / seconds / CAPACITY
    return figures


def executions(target: Target, model: str) -> tuple[int, int]:
    """Return the rows and the batches that a model ran so far, as the server counts them."""
    import tritonclient.grpc as triton

    with triton.InferenceServerClient(target.address) as client:
        rows = client.get_inference_statistics(model, as_json=True)["model_stats"]
    return sum(int(row.get("inference_count", 0)) for row in rows), sum(
        int(row.get("execution_count", 0)) for row in rows
    )


def shapes(target: Target, model: str, rate: float, seconds: float) -> dict[str, Any]:
    """Send three shapes in turns to a device that takes 5 ms over a batch of up to 8 rows."""
    requests = [request(model, width) for width in (16, 24, 32)]
    before = executions(target, model)
    everything = Record()
    for record in run(target, requests, rate, seconds):
        for name in ("latencies", "late", "queue", "compute", "rows"):
            getattr(everything, name).extend(getattr(record, name))
        everything.errors.update(record.errors)
        everything.dropped += record.dropped
    after = executions(target, model)
    ran = (after[0] - before[0]) / max(1, after[1] - before[1])
    return {**everything.summary(seconds), "rate": rate, "rows_an_execution": ran}
