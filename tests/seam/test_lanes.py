"""Batches on their way to a device, or from it, while it has another one."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.fake_gpu import FakeGpu, There
from tests.seam.lanes import LONG, Carry, Meeting, ask_two
from tritonclient.utils import InferenceServerException

from headrace.models import Batch, Model, Tensor

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


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    made = FakeGpu()
    yield made
    made.end()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_answer_is_right_and_the_device_has_one_batch_at_a_time(
    carry: Carry, gpu: FakeGpu, count: int
) -> None:
    carry(Doubler(gpu), gpu, count)
    assert carry.ask_many(12, 25) == 300
    assert gpu.most_computing == 1
    assert gpu.lent, "rows lie where the device copies from"
    # Buffers are of three sizes here, and each lane has two: one is filled, one is let go.
    assert len(gpu.lent) <= 3 * 2 * count, "and that is used again"


def test_versions_that_share_a_process_have_its_device_in_turn(carry: Carry, gpu: FakeGpu) -> None:
    """Also while they launch: two that followed the same batch would be computed at once."""
    alone = threading.Lock()

    class Launches(Doubler):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            assert alone.acquire(blocking=False), "another version is launching"
            threading.Event().wait(0.002)
            alone.release()
            return super().predict(batch)

    carry(Launches(gpu), gpu, 2)
    carry(Launches(gpu), gpu, 2, name="n")
    assert carry.ask_many(12, 25, "m", "n") == 300
    assert gpu.most_computing == 1


@pytest.mark.parametrize(
    ("new", "turns"),
    [
        (False, {"upload": 2, "kernel": 1}),
        (True, {"fetch": 1, "kernel": 2}),
    ],
    ids=["the next one is brought", "the last one is fetched"],
)
def test_copies_and_computing_overlap(
    carry: Carry, gpu: FakeGpu, new: bool, turns: dict[str, int]
) -> None:
    meeting = Meeting()

    def kernel(x: Any) -> Any:
        meeting.come("kernel")
        return 2 * x

    model = Doubler(gpu, kernel)
    model.outputs_are_new = new
    carry(model, gpu, 2)
    assert carry.ask_many(1, 1) == 1, "what the model asks for is known then"
    meeting = Meeting(**turns)
    gpu.copies = meeting.come
    ask_two(carry)
    assert gpu.most_computing == 1


def test_what_a_model_writes_to_again_is_fetched_before_it_does(carry: Carry, gpu: FakeGpu) -> None:
    class Again(Doubler):
        buffer = There((4, 300), np.float32)

        def predict(self, batch: Batch) -> Mapping[str, Any]:
            x: Any = batch.tensor("x")
            rows = There(x.shape, x.dtype)
            rows.memory = self.buffer.memory[: batch.rows]
            return {"y": self.gpu.launch(self.kernel, x, out=rows)}

    carry(Again(gpu), gpu, 3)
    assert carry.ask_many(8, 10) == 80
    # Longer than they took till now: the next batch is there while outputs are still to be copied.
    gpu.copies = lambda what: threading.Event().wait(0.05 if what == "fetch" else 0)
    assert carry.ask_many(8, 3) == 24


def test_a_kernel_that_fails_costs_the_process_its_device(carry: Carry, gpu: FakeGpu) -> None:
    def kernel(x: Any) -> Any:
        if (x < 0).any():
            raise RuntimeError("an illegal memory access was encountered")
        return 2 * x

    carry(Doubler(gpu, kernel), gpu, 2)
    assert carry.ask_many(2, 3) == 6
    with pytest.raises(InferenceServerException, match=r"cuda:0 is lost .*illegal memory") as told:
        carry.rig.ask(np.full((1, 2), -1, np.float32))
    assert told.value.status() == "StatusCode.UNAVAILABLE"
    report = json.loads(carry.rig.host.next_hang())
    assert "illegal memory access" in report["lost_device"]
    with pytest.raises(InferenceServerException):
        carry.rig.ask(np.ones((1, 2), np.float32))
    for thread in carry.threads:
        thread.join(LONG)
        assert not thread.is_alive(), "lanes end: there is nothing that they could do"
    assert any("DeviceLost" in line.text for line in carry.lines)


def test_a_model_that_raises_is_told_and_the_device_goes_on(carry: Carry, gpu: FakeGpu) -> None:
    class Raises(Doubler):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            if batch["x"][0, 0] < 0:
                self.gpu.launch(self.kernel, *[batch.tensor("x")], out=There((1, 1), np.float32))
                raise ValueError("no such thing")
            return super().predict(batch)

    carry(Raises(gpu), gpu, 2)
    with pytest.raises(InferenceServerException, match="raised ValueError: no such thing"):
        carry.rig.ask(np.full((1, 1), -1, np.float32))
    assert carry.ask_many(4, 5) == 20


def test_a_batch_that_is_too_large_for_the_device_runs_in_smaller_ones(
    carry: Carry, gpu: FakeGpu
) -> None:
    class Small(Doubler):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            if batch.rows > 1:
                raise MemoryError("CUDA out of memory")
            return super().predict(batch)

    carry(Small(gpu), gpu, 2, repeatable=True)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(carry.rig.ask, np.full((1, 9), one, np.float32)) for one in range(8)]
        assert [float(one.result(LONG)[0, 0]) for one in asked] == [2.0 * one for one in range(8)]


def test_a_kernel_that_hangs_is_given_up(carry: Carry, gpu: FakeGpu) -> None:
    go_on = threading.Event()

    def kernel(x: Any) -> Any:
        if (x < 0).any():
            go_on.wait(LONG)
        return 2 * x

    carry(Doubler(gpu, kernel), gpu, 2, hang_timeout_s=0.3)
    with pytest.raises(InferenceServerException, match=r"did not return a batch within 0\.3 s"):
        carry.rig.ask(np.full((1, 2), -1, np.float32))
    assert json.loads(carry.rig.host.next_hang())["limit_s"] == 0.3
    go_on.set()
