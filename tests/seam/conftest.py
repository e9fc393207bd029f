"""The real core in this process: a gateway, a host attached to it, and lanes of our own."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import headrace_core
import numpy as np
import pytest
import tritonclient.grpc
from numpy.typing import NDArray
from tests.seam.lanes import Carry

from headrace.execution import lanes, steps
from headrace.execution.device.host import Host
from headrace.execution.voices import Line
from headrace.models import Model, Tensor

#: Settles the batch it is given.
Work = Callable[[headrace_core.Batch], None]
#: Name, datatype, shape without the batch axis.
Spec = tuple[str, str, list[int]]


class Rig:
    """Opens versions, runs them on threads, and asks for answers as a client does."""

    def __init__(self) -> None:
        # What has no host any more gets none here, and whoever asks for it need not wait long.
        limits = {"client_regions": 4, "park_ms": 500}
        settings = {"grpc": "127.0.0.1:0", "io_threads": 1, "limits": limits}
        self.gateway = headrace_core.Gateway(json.dumps(settings))
        self.host = headrace_core.Host(json.dumps({"socket": None, "arena_bytes": 0}))
        self.gateway.attach(self.host)
        self.gateway.start()
        address = self.gateway.addresses()["grpc"]
        self.client = tritonclient.grpc.InferenceServerClient(address)
        self._lanes: list[threading.Thread] = []
        self._models: dict[str, Any] = {}

    def open(
        self,
        work: Work | None,
        *,
        model: str = "m",
        inputs: Sequence[Spec] = (("x", "FP32", [-1]),),
        outputs: Sequence[Spec] = (("y", "FP32", [-1]),),
        lanes: int = 1,
        batching: Mapping[str, Any] | None = None,
        **conduct: Any,
    ) -> headrace_core.Intake:
        """Open version 1; without work no lane pulls its batches."""
        contract = {
            "model": model,
            "version": 1,
            "platform": "python",
            "inputs": [
                dict(zip(("name", "datatype", "shape"), one, strict=True)) for one in inputs
            ],
            "outputs": [
                dict(zip(("name", "datatype", "shape"), one, strict=True)) for one in outputs
            ],
            "batching": {"max_rows": 8, **(batching or {})},
            "lanes": lanes,
        }
        return self.carry(json.dumps(contract), work, model=model, lanes=lanes, **conduct)

    def carry(
        self, contract: str, work: Work | None, *, model: str, lanes: int, **conduct: Any
    ) -> headrace_core.Intake:
        """Open version 1 of a contract in JSON."""
        intake = self.host.open(contract, **conduct)
        for lane in range(lanes if work else 0):
            thread = threading.Thread(target=self._pull, args=(intake, lane, work))
            thread.start()
            self._lanes.append(thread)
        self._models[model] = {
            "versions": [{"version": 1, "state": "READY", "reason": ""}],
            "weights": [{"version": 1, "share": 10000}],
            "rules": [],
            "sticky": None,
            "shadows": [],
        }
        epoch = {"term": 1, "sequence": len(self._models)}
        self.gateway.apply_policy(json.dumps({"epoch": epoch, "models": self._models}))
        return intake

    @staticmethod
    def _pull(intake: headrace_core.Intake, lane: int, work: Work) -> None:
        while (batch := intake.next_batch(lane)) is not None:
            work(batch)

    def ask(
        self,
        *arrays: NDArray[Any],
        datatypes: Sequence[str] = ("FP32",),
        model: str = "m",
        parameters: Mapping[str, Any] | None = None,
        priority: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> NDArray[Any]:
        """Send the arrays as inputs x, x1, ...; return output y."""
        sent = []
        for at, (array, datatype) in enumerate(zip(arrays, datatypes, strict=True)):
            tensor = tritonclient.grpc.InferInput(f"x{at or ''}", list(array.shape), datatype)
            tensor.set_data_from_numpy(array)
            sent.append(tensor)
        answer = self.client.infer(
            model,
            sent,
            priority=priority,
            parameters=dict(parameters or {}),
            headers=dict(headers or {}),
        )
        array = answer.as_numpy("y")
        assert array is not None
        return np.asarray(array)

    def shut(self) -> bool:
        """Drain as a server does, and see the lanes out; True if clean."""
        clean = self.gateway.drain(10.0) and self.host.drain(10.0)
        for thread in self._lanes:
            thread.join()
        return clean


def _tensor(spec: Spec) -> dict[str, Any]:
    return dict(zip(("name", "datatype", "shape"), spec, strict=True))


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A gateway with a host that carries nothing yet."""
    rig = Rig()
    yield rig
    assert rig.shut()
    rig.client.close()


@pytest.fixture
def carry(rig: Any) -> Iterator[Carry]:
    """Carries a model in lanes of the product's own."""
    served = Carry(rig)
    yield served
    rig.gateway.drain(10.0)
    rig.host.drain(10.0)
    for thread in served.threads:
        thread.join(LONG)


#: Seconds that a test waits for what comes at once.
LONG = 30


class Served:
    """A gateway and a host in this process, whose one version steps."""

    def __init__(self, model: Model, batching: Mapping[str, Any], **conduct: Any) -> None:
        settings = {"http": "127.0.0.1:0", "metrics": "127.0.0.1:0", "io_threads": 1}
        self.gateway = headrace_core.Gateway(json.dumps(settings))
        self.host = headrace_core.Host(json.dumps({"socket": None, "arena_bytes": 0}))
        self.gateway.attach(self.host)
        self.gateway.start()
        self.lines: list[Line] = []

        def tensors(given: Sequence[Tensor]) -> list[dict[str, Any]]:
            return [
                {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)}
                for one in given
            ]

        contract = {
            "model": "m",
            "version": 1,
            "platform": "python",
            "inputs": tensors(model.inputs),
            "outputs": tensors(model.outputs),
            "batching": {"max_rows": 32, **batching},
            "streams": True,
        }
        intake = self.host.open(json.dumps(contract), **conduct)
        work = lanes.Work("m/1", model, Host(), intake, self.lines.append)
        self.threads = lanes.start(work, 1, steps.run_steps)
        del intake, work
        policy = {
            "versions": [{"version": 1, "state": "READY", "reason": ""}],
            "weights": [{"version": 1, "share": 10000}],
            "rules": [],
            "sticky": None,
            "shadows": [],
        }
        epoch = {"term": 1, "sequence": 1}
        self.gateway.apply_policy(json.dumps({"epoch": epoch, "models": {"m": policy}}))

    def ask(self, x: Sequence[int], n: int, **parameters: Any) -> http.client.HTTPResponse:
        """Ask for an answer in parts; who reads them is the test's."""
        link = http.client.HTTPConnection(self.gateway.addresses()["http"], timeout=LONG)
        body = json.dumps({"x": list(x), "n": n, **parameters})
        # Then the answer owns the socket, and closes it at its end.
        link.request("POST", "/v2/models/m/generate_stream", body, {"Connection": "close"})
        return link.getresponse()

    def counted(self, metric: str) -> float:
        link = http.client.HTTPConnection(self.gateway.addresses()["metrics"], timeout=LONG)
        link.request("GET", "/metrics", headers={"Connection": "close"})
        text = link.getresponse().read().decode()
        (value,) = [line.split()[-1] for line in text.splitlines() if line.startswith(metric)]
        return float(value)

    def running(self) -> tuple[int, int]:
        (one,) = json.loads(self.host.stats())["versions"]
        return one["waiting_rows"], one["running_rows"]

    def shut(self, timeout_s: float = 10.0) -> bool:
        clean = self.gateway.drain(timeout_s) and self.host.drain(timeout_s)
        for thread in self.threads:
            thread.join(LONG)
        return clean


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serves a model; drained without a rest, unless the test has shut it."""
    served: list[Served] = []

    def start(model: Model, batching: Mapping[str, Any] | None = None, **conduct: Any) -> Served:
        served.append(Served(model, batching or {}, **conduct))
        return served[-1]

    yield start
    for one in served:
        if any(thread.is_alive() for thread in one.threads):
            assert one.shut()
        assert not any(thread.is_alive() for thread in one.threads)
