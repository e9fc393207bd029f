"""Show that the load generator tells the truth, against servers whose latencies are known.

    python -m headrace_load.truth

One server is stopped for a second out of four: a quarter of those who come meet the stop, and wait
for what is left of it. The other answers each request after a time that is drawn from a known
distribution. What callers saw is then known without measuring, and compared with what was reported.
"""

import contextlib
import json
import multiprocessing
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import gevent
import numpy as np
from gevent.pywsgi import WSGIServer

from headrace_load import arrivals
from headrace_load.pacer import pace
from headrace_load.record import Record
from headrace_load.senders import Request, sender
from headrace_load.target import Target

RATE = 250.0
SECONDS = 12.0
#: Out of each period, for so long.
PERIOD_S, STOP_S = 4.0, 1.0
MEAN_S = 0.05
#: What is reported may be off by the shares that chance leaves in 3,000 requests, and by what a
#: busy machine adds to each: a tenth, and five milliseconds.
SHARE, MORE_MS = 0.1, 5.0


@dataclass(frozen=True)
class Case:
    """A server whose latencies are known: when it answers who comes at a moment since its start."""

    name: str
    answers_at: Callable[[float], float]
    #: Percentile → milliseconds.
    known: dict[str, float]


def stopped(moment: float) -> float:
    """Return when a request of this moment is answered by a server that is stopped now and then."""
    into = moment % PERIOD_S
    return moment + (PERIOD_S - into if into >= PERIOD_S - STOP_S else 0.0)


def drawn(moment: float) -> float:
    """Return when a request is answered by a server that takes a random time over each."""
    return moment + random.expovariate(1 / MEAN_S)


def cases() -> list[Case]:
    """Return the servers, and what callers of each must see."""
    # A quarter meets the stop, and what is left of it is as likely anything up to a second.
    share = STOP_S / PERIOD_S
    waits = {
        f"p{percent:g}": 1000 * STOP_S * max(0.0, percent / 100 - (1 - share)) / share
        for percent in (50, 90, 99)
    }
    quantiles = {f"p{p:g}": float(-1000 * MEAN_S * np.log(1 - p / 100)) for p in (50, 90, 99)}
    return [
        Case("stopped for 1 s of 4 s", stopped, waits),
        Case("exponential, 50 ms on average", drawn, quantiles),
    ]


class Prompt(WSGIServer):  # type: ignore[misc]
    """Sends the body of an answer at once: else it waits 40 ms for its head to be acknowledged."""

    def handle(self, sock: Any, address: Any) -> None:
        """Serve a connection."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle(sock, address)


def serve(port: int, answers_at: Callable[[float], float]) -> None:
    """Answer inferences at the moments that are asked for, until the process ends."""
    began = time.monotonic()
    answer = json.dumps({"model_name": "known", "outputs": []}).encode()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        environ["wsgi.input"].read()
        now = time.monotonic() - began
        gevent.sleep(max(0.0, answers_at(now) - now))
        start("200 OK", [("content-type", "application/json")])
        return [answer]

    Prompt(("127.0.0.1", port), app, log=None).serve_forever()


@contextlib.contextmanager
def running(case: Case) -> Iterator[Target]:
    """Run the case's server in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(port, case.answers_at), daemon=True
    )
    process.start()
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            gevent.sleep(0.05)
        yield Target("http", "127.0.0.1", port)
    finally:
        process.kill()
        process.join()


def measure(target: Target) -> Record:
    """Load a server and return what is reported."""
    data = {"x": ("FP32", np.zeros((1, 4), np.float32))}
    send = sender(target, [Request("known", data, {})], most=1000, timeout_s=10)
    record = Record()
    due = takewhile(lambda moment: moment < SECONDS, arrivals.poisson(RATE, seed=1))
    pace(due, send, record.add, most=1000, grace_s=10)
    return record


def main() -> int:
    """Print a table; return 1 if what is reported is not what is known."""
    wrong = 0
    print(f"{RATE:g} requests a second for {SECONDS:g} s, open loop\n")
    print("| server | percentile | known, ms | reported, ms | |")
    print("|---|---|--:|--:|---|")
    for case in cases():
        with running(case) as target:
            summary = measure(target).summary(SECONDS)
        latency = summary["latency_ms"]
        assert isinstance(latency, dict)
        for percentile, known in case.known.items():
            reported = latency[percentile]
            fits = abs(reported - known) <= SHARE * known + MORE_MS
            wrong += not fits
            verdict = "" if fits else "WRONG"
            print(f"| {case.name} | {percentile} | {known:.1f} | {reported:.1f} | {verdict} |")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
