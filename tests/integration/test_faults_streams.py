"""A server on Ray whose host is killed, or that ends, in the midst of answers in parts."""

import http.client
import json
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pytest
import tritonclient.grpc
from tests.integration.conftest import END_S, Run, Serve, until, write_model
from tests.integration.models import COUNTER

#: Callers of each protocol.
CALLERS: Final = 8
#: What a caller waits for at most that comes at once.
LONG_S: Final = 30
#: Seconds until a server that ends gives up on what it has.
DRAIN_S: Final = 3.0
FOR_EVER: Final = 1e6


@dataclass
class Heard:
    """What one caller was told, and when it was over."""

    first: float
    parts: list[float] = field(default_factory=list)
    error: str = ""
    ended: float = 0.0

    def is_in_order(self) -> bool:
        return self.parts == [self.first + at for at in range(len(self.parts))]


def over_http(run: Run, heard: Heard, count: float) -> None:
    link = http.client.HTTPConnection(run.http, timeout=LONG_S)
    body = json.dumps({"x": [heard.first, count, 0, 0]})
    link.request("POST", "/v2/models/counter/generate_stream", body, {"Connection": "close"})
    reply = link.getresponse()
    if reply.status != 200:
        heard.error = json.loads(reply.read())["error"]
    for line in reply:
        if line.strip():
            fact = json.loads(line.decode().removeprefix("data: "))
            assert not heard.error, f"after the end: {fact}"
            if "error" in fact:
                heard.error = fact["error"]
            else:
                heard.parts.append(fact["y"])
    heard.ended = time.monotonic()


def over_grpc(run: Run, heard: Heard, count: float) -> None:
    told: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client = tritonclient.grpc.InferenceServerClient(run.grpc)
    client.start_stream(lambda result, error: told.put((result, error)))
    sent = tritonclient.grpc.InferInput("x", [1, 4], "FP32")
    sent.set_data_from_numpy(np.array([[heard.first, count, 0, 0]], np.float32))
    client.async_stream_infer("counter", [sent], enable_empty_final_response=True)
    while True:
        result, error = told.get(timeout=LONG_S)
        if error is not None:
            heard.error = str(error)
            break
        if result.get_response().parameters["triton_final_response"].bool_param:
            break
        heard.parts.append(result.as_numpy("y").item())
    heard.ended = time.monotonic()
    with suppress(queue.Empty):
        result, error = told.get(timeout=0.1)
        assert result is None, "a part after the end"
        assert "the stream ends here" in str(error), "of the whole stream, as the server ends"
    client.stop_stream()
    client.close()


Way = Callable[[Run, Heard, float], None]


class Callers:
    """Callers over both protocols, each on a thread."""

    def __init__(self, run: Run, count: float) -> None:
        ways: list[Way] = [over_http, over_grpc] * CALLERS
        self.heard = [Heard(1000.0 * at) for at in range(len(ways))]
        self._pool = ThreadPoolExecutor(len(ways))
        calls = zip(ways, self.heard, strict=True)
        self._ends = [self._pool.submit(way, run, heard, count) for way, heard in calls]

    def wait(self) -> list[Heard]:
        for end in self._ends:
            end.result(LONG_S)
        self._pool.shutdown()
        assert all(one.is_in_order() for one in self.heard), self.heard
        return self.heard

    def have_parts(self, count: int) -> bool:
        return all(len(one.parts) >= count for one in self.heard)


@pytest.fixture(scope="module")
def run(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, "counter", COUNTER, "streams: true\n")
    return serve(folder, drain_s=DRAIN_S)


def counted(run: Run, name: str) -> float:
    page = run.page(f"{run.metrics}/metrics")
    rows = [
        line for line in page.splitlines() if line.startswith(f"{name}{{") and "counter" in line
    ]
    return sum(float(line.split()[-1]) for line in rows if "kind" not in line)


def lost(run: Run) -> float:
    page = run.page(f"{run.metrics}/metrics")
    name = 'headrace_request_failures_total{model="counter",version="1",kind="host_lost"} '
    (count,) = [line.removeprefix(name) for line in page.splitlines() if line.startswith(name)]
    return float(count)


def whole(run: Run) -> bool:
    heard = Heard(5.0)
    over_http(run, heard, 3)
    return heard.parts == [5.0, 6.0, 7.0] and not heard.error


def test_who_reads_of_a_host_that_is_killed_is_told_and_the_next_are_answered(run: Run) -> None:
    callers = Callers(run, FOR_EVER)
    until(lambda: callers.have_parts(20), 20, "everybody has parts")
    assert counted(run, "headrace_streams") == 2 * CALLERS
    (host,) = run.pids("counter/1")
    killed = time.monotonic()
    os.kill(host, signal.SIGKILL)
    for one in callers.wait():
        assert "the host that ran it is gone" in one.error, one
        assert one.ended - killed < 20, "not only once the gateway takes it for one that hangs"
    assert counted(run, "headrace_streams") == 0
    assert lost(run) == 2 * CALLERS
    until(lambda: whole(run), 60, "the next one is answered")
    for one in Callers(run, 50).wait():
        assert (len(one.parts), one.error) == (50, "")


def test_who_still_reads_when_a_server_ends_is_told(run: Run) -> None:
    # What was in flight as the host was lost runs alone for a minute: these are others.
    callers = Callers(run, 2 * FOR_EVER)
    until(lambda: callers.have_parts(5), 20, "everybody has parts")
    asked = time.monotonic()
    ends = threading.Thread(target=run.process.send_signal, args=(signal.SIGTERM,))
    ends.start()
    for one in callers.wait():
        assert "Server exiting" in one.error, one
        assert one.ended - asked < DRAIN_S + 15
    ends.join()
    assert run.process.wait(END_S) == 0, run.said()
