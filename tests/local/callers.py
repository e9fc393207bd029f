"""Callers of a server, one request after the other, and what is waited for meanwhile."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.local.conftest import LocalServer

CALLERS = 4
#: For a decision on a busy machine; it takes seconds.
PATIENCE_S = 120.0


@contextmanager
def traffic(
    server: LocalServer, model: str, body: str, pause_s: float = 0.0
) -> Iterator[Counter[int]]:
    """Callers, whether or not the server is there; how often they had which status."""
    stop, answered = threading.Event(), Counter[int]()

    def call() -> None:
        with closing(HTTPConnection(server.http, timeout=30)) as connection:
            while not stop.is_set():
                try:
                    connection.request("POST", f"/v2/models/{model}/infer", body)
                    answer = connection.getresponse()
                    answer.read()
                    answered[answer.status] += 1
                    stop.wait(pause_s)
                except (HTTPException, OSError):
                    connection.close()
                    stop.wait(0.01)

    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def until(reached: Callable[[], Any]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)  # noqa: TID251 - waits for another process
