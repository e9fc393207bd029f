"""Batches on their way to a device, or from it, while it has another one."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.fake_gpu import FakeGpu, There
from tritonclient.utils import InferenceServerException

from headrace.execution import lanes
from headrace.execution.device.host import Host
from headrace.execution.device.seam import Device
from headrace.execution.passage import prepares
from headrace.execution.voices import Line
from headrace.models import Batch, Model, Tensor

LONG = 30
X, Y = Tensor("x", "FP32", [-1]), Tensor("y", "FP32", [-1])


class Doubler(Model):
    """Computes on the fake; a row that is negative is a fault of one kind or another."""

    inputs = (X,)
    outputs = (Y,)

    def __init__(self, gpu: FakeGpu, kernel: Callable[[Any], Any] = lambda x: 2 * x) -> None:
        self.gpu, self.kernel = gpu, kernel

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        x: Any = batch.tensor("x")
        return {"y": self.gpu.launch(self.kernel, x, out=There(x.shape, x.dtype))}


class Serve:
    """Serves a model as a host does."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.lines: list[Line] = []
        self.threads: list[threading.Thread] = []

    def __call__(
        self, model: Model, device: Device, lanes_: int, *, repeatable: bool = False, **conduct: Any
    ) -> None:
        ahead = prepares(model, device, lanes_)
        contract = {
            "model": "m",
            "version": 1,
            "platform": "python",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
            "batching": {"max_rows": 4},
            "lanes": lanes_,
            "repeatable": repeatable,
        }
        lend = device.lend if device.is_apart else None
        told = {"concurrency": model.concurrency, "prepares": ahead, "lend": lend, **conduct}
        intake = self.rig.carry(json.dumps(contract), None, model="m", lanes=lanes_, **told)
        work = lanes.Work("m/1", model, device, intake, self.lines.append, prepares=ahead)
        self.threads += lanes.start(work, lanes_)

    def ask_many(self, callers: int, times: int) -> int:
        """Ask for different rows at once, and check each answer; how many there were."""

        def caller(number: int) -> int:
            for turn in range(times):
                x = np.full((1 + turn % 3, 300), 100 * number + turn, np.float32)
                assert np.array_equal(self.rig.ask(x), 2 * x)
            return times

        with ThreadPoolExecutor(callers) as pool:
            return sum(pool.map(caller, range(callers)))


@pytest.fixture
def serve(rig: Any) -> Iterator[Serve]:
    served = Serve(rig)
    yield served
    rig.gateway.drain(10.0)
    rig.host.drain(10.0)
    for thread in served.threads:
        thread.join(LONG)


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    made = FakeGpu()
    yield made
    made.end()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_answer_is_right_and_the_device_has_one_batch_at_a_time(
    serve: Serve, gpu: FakeGpu, count: int
) -> None:
    serve(Doubler(gpu), gpu, count)
    assert serve.ask_many(12, 25) == 300
    assert gpu.most_computing == 1
    assert gpu.lent, "rows lie where the device copies from"
    # Buffers are of three sizes here, and each lane has two: one is filled, one is let go.
    assert len(gpu.lent) <= 3 * 2 * count, "and that is used again"


class Meeting:
    """The so-many-th of each kind wait for each other: done in turns, neither would come back."""

    def __init__(self, **turns: int) -> None:
        self._turns, self._came = turns, Counter[str]()
        self._lock = threading.Lock()
        self._meet = threading.Barrier(max(1, len(turns)))

    def come(self, what: str) -> None:
        with self._lock:
            self._came[what] += 1
            is_it = self._came[what] == self._turns.get(what)
        if is_it:
            self._meet.wait(LONG)


def ask_two(serve: Serve) -> None:
    """Two batches that are full."""
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(serve.rig.ask, np.full((4, 1), one, np.float32)) for one in (1, 2)]
        assert [float(one.result(LONG)[0, 0]) for one in asked] == [2.0, 4.0]


@pytest.mark.parametrize(
    ("new", "turns"),
    [
        (False, {"upload": 2, "kernel": 1}),
        (True, {"fetch": 1, "kernel": 2}),
    ],
    ids=["the next one is brought", "the last one is fetched"],
)
def test_copies_and_computing_overlap(
    serve: Serve, gpu: FakeGpu, new: bool, turns: dict[str, int]
) -> None:
    meeting = Meeting()

    def kernel(x: Any) -> Any:
        meeting.come("kernel")
        return 2 * x

    model = Doubler(gpu, kernel)
    model.outputs_are_new = new
    serve(model, gpu, 2)
    assert serve.ask_many(1, 1) == 1, "what the model asks for is known then"
    meeting = Meeting(**turns)
    gpu.copies = meeting.come
    ask_two(serve)
    assert gpu.most_computing == 1


def test_what_a_model_writes_to_again_is_fetched_before_it_does(serve: Serve, gpu: FakeGpu) -> None:
    class Again(Doubler):
        buffer = There((4, 300), np.float32)

        def predict(self, batch: Batch) -> Mapping[str, Any]:
            x: Any = batch.tensor("x")
            rows = There(x.shape, x.dtype)
            rows.memory = self.buffer.memory[: batch.rows]
            return {"y": self.gpu.launch(self.kernel, x, out=rows)}

    serve(Again(gpu), gpu, 3)
    assert serve.ask_many(8, 10) == 80
    # Longer than they took till now: the next batch is there while outputs are still to be copied.
    gpu.copies = lambda what: threading.Event().wait(0.05 if what == "fetch" else 0)
    assert serve.ask_many(8, 3) == 24


def test_a_kernel_that_fails_costs_the_process_its_device(serve: Serve, gpu: FakeGpu) -> None:
    def kernel(x: Any) -> Any:
        if (x < 0).any():
            raise RuntimeError("an illegal memory access was encountered")
        return 2 * x

    serve(Doubler(gpu, kernel), gpu, 2)
    assert serve.ask_many(2, 3) == 6
    with pytest.raises(InferenceServerException, match=r"cuda:0 is lost .*illegal memory") as told:
        serve.rig.ask(np.full((1, 2), -1, np.float32))
    assert told.value.status() == "StatusCode.UNAVAILABLE"
    report = json.loads(serve.rig.host.next_hang())
    assert "illegal memory access" in report["lost_device"]
    with pytest.raises(InferenceServerException):
        serve.rig.ask(np.ones((1, 2), np.float32))
    for thread in serve.threads:
        thread.join(LONG)
        assert not thread.is_alive(), "lanes end: there is nothing that they could do"
    assert any("DeviceLost" in line.text for line in serve.lines)


def test_a_model_that_raises_is_told_and_the_device_goes_on(serve: Serve, gpu: FakeGpu) -> None:
    class Raises(Doubler):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            if batch["x"][0, 0] < 0:
                self.gpu.launch(self.kernel, *[batch.tensor("x")], out=There((1, 1), np.float32))
                raise ValueError("no such thing")
            return super().predict(batch)

    serve(Raises(gpu), gpu, 2)
    with pytest.raises(InferenceServerException, match="raised ValueError: no such thing"):
        serve.rig.ask(np.full((1, 1), -1, np.float32))
    assert serve.ask_many(4, 5) == 20


def test_a_batch_that_is_too_large_for_the_device_runs_in_smaller_ones(
    serve: Serve, gpu: FakeGpu
) -> None:
    class Small(Doubler):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            if batch.rows > 1:
                raise MemoryError("CUDA out of memory")
            return super().predict(batch)

    serve(Small(gpu), gpu, 2, repeatable=True)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(serve.rig.ask, np.full((1, 9), one, np.float32)) for one in range(8)]
        assert [float(one.result(LONG)[0, 0]) for one in asked] == [2.0 * one for one in range(8)]


def test_a_kernel_that_hangs_is_given_up(serve: Serve, gpu: FakeGpu) -> None:
    go_on = threading.Event()

    def kernel(x: Any) -> Any:
        if (x < 0).any():
            go_on.wait(LONG)
        return 2 * x

    serve(Doubler(gpu, kernel), gpu, 2, hang_timeout_s=0.3)
    with pytest.raises(InferenceServerException, match=r"did not return a batch within 0\.3 s"):
        serve.rig.ask(np.full((1, 2), -1, np.float32))
    assert json.loads(serve.rig.host.next_hang())["limit_s"] == 0.3
    go_on.set()


class Stages(Model):
    """Text to numbers and back, around a model that runs one batch at a time."""

    inputs = (X,)
    outputs = (Y,)

    def __init__(self) -> None:
        self.meeting = Meeting()
        self.in_predict = threading.Lock()

    def prepare(self, batch: Batch) -> Mapping[str, Any]:
        if batch["x"][0, 0] < 0:
            raise ValueError("nothing to prepare")
        self.meeting.come("prepare")
        return {"more": batch["x"] + 1}

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        assert self.in_predict.acquire(blocking=False), "another batch is in the model"
        self.meeting.come("predict")
        x = batch["more"] * 2
        self.in_predict.release()
        return {"twice": x}

    def finish(self, outputs: Mapping[str, Any], batch: Batch) -> Mapping[str, Any]:
        self.meeting.come("finish")
        return {"y": outputs["twice"] - 2}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_prepared_reaches_the_model_and_what_is_finished_its_callers(
    serve: Serve, count: int
) -> None:
    serve(Stages(), Host(), count)
    assert serve.ask_many(8, 25) == 200
    with pytest.raises(InferenceServerException, match="raised ValueError: nothing to prepare"):
        serve.rig.ask(np.full((1, 1), -1, np.float32))
    assert serve.ask_many(2, 2) == 4


@pytest.mark.parametrize("turns", [{"prepare": 2, "predict": 1}, {"finish": 1, "predict": 2}])
def test_a_stage_of_one_batch_and_the_model_with_another_are_at_work_at_once(
    serve: Serve, turns: dict[str, int]
) -> None:
    model = Stages()
    serve(model, Host(), 2)
    assert serve.ask_many(1, 1) == 1
    model.meeting = Meeting(**turns)
    ask_two(serve)
