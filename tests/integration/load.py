"""Callers that call a server without a pause."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tests.integration.conftest import Run, until
from tritonclient.utils import InferenceServerException

CALLERS = 4
#: Longer than any call may take: the gateway parks calls for ten seconds at most.
CALL_S = 30.0

Protocol = Literal["http", "grpc"]


@dataclass(frozen=True)
class Ended:
    """One call: when it began and ended, and how: right, wrong, told or cut."""

    began: float
    ended: float
    how: str


def client(run: Run, protocol: Protocol) -> Any:
    """A client with a connection of its own."""
    if protocol == "grpc":
        return tritonclient.grpc.InferenceServerClient(run.grpc)
    return tritonclient.http.InferenceServerClient(
        run.http, connection_timeout=CALL_S, network_timeout=CALL_S
    )


def call(client: Any, model: str, given: Any) -> Ended:
    """Send rows to a model that gives them back."""
    grpc = isinstance(client, tritonclient.grpc.InferenceServerClient)
    tensor = (tritonclient.grpc if grpc else tritonclient.http).InferInput(
        "x", list(given.shape), "FP32"
    )
    tensor.set_data_from_numpy(given)
    limit = {"client_timeout": CALL_S} if grpc else {}
    began = time.monotonic()
    try:
        answer = client.infer(model, [tensor], **limit).as_numpy("y")
        how = "right" if np.array_equal(answer, given) else "wrong"
    except InferenceServerException as error:
        how = f"told: {error.status()}"
    except Exception as error:
        how = f"cut: {type(error).__name__}"
    return Ended(began, time.monotonic(), how)


class Load:
    """A few callers over one protocol, and how each of their calls ended."""

    def __init__(self, run: Run, model: str, protocol: Protocol, value: float) -> None:
        self._run, self._model, self._protocol = run, model, protocol
        self._given = np.full((1, 4), value, np.float32)
        self._stop = threading.Event()
        self.calls: list[Ended] = []
        self.ended: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def _call(self) -> None:
        with client(self._run, self._protocol) as connected:
            while not self._stop.is_set():
                one = call(connected, self._model, self._given)
                self.calls.append(one)
                self.ended[one.how] += 1
                if one.how.startswith("cut"):
                    # Nobody listens: to ask at once again would keep those busy who should.
                    self._stop.wait(0.002)

    def start(self, flowing: int) -> None:
        for thread in self._threads:
            thread.start()
        until(lambda: self.ended["right"] >= flowing, 30, "the load flows")

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * CALL_S)
            assert not thread.is_alive(), "a call hangs"

    def flows_on(self) -> None:
        """Wait for fifty more right answers."""
        goal = self.ended["right"] + 50
        until(lambda: self.ended["right"] >= goal, 30, f"the load flows on; so far {self.ended}")


@contextmanager
def load(
    run: Run,
    model: str = "identity",
    protocol: Protocol = "http",
    *,
    value: float = 1.0,
    flowing: int = 50,
) -> Iterator[Load]:
    """Callers that call for as long as the block lasts, and have begun to when it begins."""
    calls = Load(run, model, protocol, value)
    try:
        calls.start(flowing)
        yield calls
    finally:
        calls.stop()
