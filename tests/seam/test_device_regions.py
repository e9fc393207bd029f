"""Tensors that stay on the device: in their callers' memory, and never in a message."""

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import pytest
import tritonclient.grpc
from numpy.typing import NDArray
from tests.fake_gpu import FakeGpu, There
from tests.seam.lanes import LONG, Carry
from tests.seam.test_lanes import Doubler
from tritonclient.utils import InferenceServerException

from headrace.execution.device.host import Host
from headrace.models import Batch, Model, Tensor

#: Two of another process's regions, and one that it has not.
OF: Final = b"\1" * 64
TO: Final = b"\2" * 64
NOBODYS: Final = b"\3" * 64
#: Bytes of a row, and of a request that waits for its turn.
ROW: Final = 3 * 4


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    made = FakeGpu()
    yield made
    made.end()


@pytest.fixture
def share(carry: Carry, gpu: FakeGpu) -> Callable[[str, bytes], NDArray[np.uint8]]:
    """Register memory of 1024 bytes under a name."""

    def of(name: str, handle: bytes) -> NDArray[np.uint8]:
        memory = gpu.export(handle, 1024)
        register(carry, name, handle)
        return memory

    return of


def register(carry: Carry, name: str, handle: bytes, device: int = 0) -> None:
    carry.rig.client.register_cuda_shared_memory(name, base64.b64encode(handle), device, 1024)


def ask(
    carry: Carry,
    x: NDArray[np.float32] | tuple[int, int],
    *,
    of: int | None = 0,
    to: int | None = 0,
    room: int | None = None,
    region: str = "of",
) -> Any:
    """Ask for rows, or such in ``region`` from ``of`` on; doubled, they go to "to" at ``to``."""
    shape = x if isinstance(x, tuple) else x.shape
    size = 4 * shape[0] * shape[1]
    tensor = tritonclient.grpc.InferInput("x", list(shape), "FP32")
    if isinstance(x, tuple):
        tensor.set_shared_memory(region, size, of or 0)
    else:
        tensor.set_data_from_numpy(x)
    wanted = tritonclient.grpc.InferRequestedOutput("y")
    if to is not None:
        wanted.set_shared_memory("to", size if room is None else room, to)
    return carry.rig.client.infer("m", [tensor], outputs=[wanted], client_timeout=LONG)


def rows(memory: NDArray[np.uint8], at: int, *shape: int) -> NDArray[np.float32]:
    count = int(np.prod(shape))
    return memory[at : at + 4 * count].view(np.float32).reshape(shape)


def test_a_request_of_two_regions_moves_nothing_through_the_host(
    carry: Carry, gpu: FakeGpu, share: Any
) -> None:
    carry(Doubler(gpu), gpu, 1)
    of, to = share("of", OF), share("to", TO)
    copies: list[str] = []
    gpu.copies = copies.append
    for turn in range(3):
        rows(of, 16, 2, 3)[:] = turn
        answer = ask(carry, (2, 3), of=16, to=64)
        assert np.array_equal(rows(to, 64, 2, 3), np.full((2, 3), 2 * turn))
        output = answer.get_output("y")
        assert list(output.shape) == [2, 3]
        assert output.parameters["shared_memory_region"].string_param in ("", "to")
        assert answer.get_response().raw_output_contents[0] == b""
    assert copies == ["write"] * 3, "the input is the caller's memory itself"
    assert sorted(gpu.open_handles) == [OF, TO], "each is opened once"


def test_rows_of_regions_and_rows_that_were_sent_share_a_batch(
    carry: Carry, gpu: FakeGpu, share: Any
) -> None:
    sizes: list[int] = []

    class Notes(Doubler):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            sizes.append(batch.rows)
            return super().predict(batch)

    carry(Notes(gpu), gpu, 2)
    of, to = share("of", OF), share("to", TO)
    whole = rows(of, 0, 8, 3)
    whole[:] = np.arange(24).reshape(8, 3)

    def one(at: int) -> None:
        want = 2 * whole[at : at + 1]
        sent = whole[at : at + 1].copy() if at % 3 == 0 else (1, 3)
        for _ in range(20):
            # Every other one wants its answer as a message.
            answer = ask(carry, sent, of=ROW * at, to=ROW * at if at % 2 else None)
            found = rows(to, ROW * at, 1, 3) if at % 2 else answer.as_numpy("y")
            assert np.array_equal(found, want), at

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(one, at) for at in range(8)]:
            done.result(LONG)
    assert max(sizes) > 1, "some came together"


@pytest.mark.parametrize("is_there", [True, False], ids=["of a region", "that was sent"])
def test_a_padded_batch_repeats_its_last_row(
    carry: Carry, gpu: FakeGpu, share: Any, is_there: bool
) -> None:
    seen: list[Any] = []

    def kernel(x: Any) -> Any:
        seen.append(x.copy())
        return 2 * x

    carry(Doubler(gpu, kernel), gpu, 1, batching={"max_rows": 4, "allowed_rows": [4]})
    of, to = share("of", OF), share("to", TO)
    rows(of, 0, 2, 3)[:] = [[1, 2, 3], [4, 5, 6]]
    ask(carry, (2, 3) if is_there else rows(of, 0, 2, 3).copy())
    assert seen[0].tolist() == [[1, 2, 3], [4, 5, 6], [4, 5, 6], [4, 5, 6]]
    assert np.array_equal(rows(to, 0, 2, 3), [[2, 4, 6], [8, 10, 12]])


def test_who_names_what_cannot_be_used_is_told_alone(
    carry: Carry, gpu: FakeGpu, share: Any
) -> None:
    gate = threading.Event()

    def kernel(x: Any) -> Any:
        gate.wait(LONG)
        return 2 * x

    carry(Doubler(gpu, kernel), gpu, 2)
    of, to = share("of", OF), share("to", TO)
    register(carry, "nobodys", NOBODYS)
    register(carry, "elsewhere", OF, device=1)
    rows(of, 0, 1, 3)[:] = 5
    told = {
        "nobodys": "input 'x' is in memory of a device, and .* its handle does not open",
        "elsewhere": "is on device 1, and this version on another one",
        "of": r"output 'y' \(4 bytes\) should be at least 12 bytes to hold the results",
    }
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, carry, np.ones((1, 3), np.float32), to=None)
        wrong = {
            region: pool.submit(
                ask, carry, (1, 3), region=region, to=100, room=4 if region == "of" else None
            )
            for region in told
        }
        gate.set()
        assert np.array_equal(first.result(LONG).as_numpy("y"), np.full((1, 3), 2))
        for region, words in told.items():
            with pytest.raises(InferenceServerException, match=words) as error:
                wrong[region].result(LONG)
            assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert set(to[100:112]) == {0xEE}, "nothing was written for them"
    ask(carry, (1, 3))
    assert np.array_equal(rows(to, 0, 1, 3), np.full((1, 3), 10))


def test_a_version_on_the_cpu_says_so(carry: Carry, share: Any) -> None:
    class OnTheCpu(Model):
        inputs = (Tensor("x", "FP32", [-1]),)
        outputs = (Tensor("y", "FP32", [-1]),)

        def predict(self, batch: Batch) -> Mapping[str, Any]:
            return {"y": 2 * batch["x"]}

    carry(OnTheCpu(), Host(), 1)
    share("of", OF), share("to", TO)
    cases: list[tuple[Any, int | None]] = [((1, 3), None), (np.ones((1, 3), np.float32), 0)]
    for sent, to in cases:
        with pytest.raises(InferenceServerException, match="computes on the CPU") as told:
            ask(carry, sent, to=to)
        assert told.value.status() == "StatusCode.INVALID_ARGUMENT"
    answer = ask(carry, np.ones((1, 3), np.float32), to=None)
    assert np.array_equal(answer.as_numpy("y"), np.full((1, 3), 2))


def test_who_unregisters_waits_for_the_last_look(carry: Carry, gpu: FakeGpu, share: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def kernel(x: Any) -> Any:
        begun.set()
        go_on.wait(LONG)
        return 2 * x

    carry(Doubler(gpu, kernel), gpu, 1)
    of, to = share("of", OF), share("to", TO)
    rows(of, 0, 1, 3)[:] = 7
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(ask, carry, (1, 3))
        assert begun.wait(LONG)
        gone = pool.submit(carry.rig.client.unregister_cuda_shared_memory)
        with pytest.raises(TimeoutError):
            gone.result(0.2)
        assert sorted(gpu.open_handles) == [OF, TO]
        with pytest.raises(InferenceServerException, match="Unable to find shared memory region"):
            ask(carry, (1, 3))
        go_on.set()
        gone.result(LONG)
        assert not gpu.open_handles, "they were closed before the answer"
        asked.result(LONG)
    assert np.array_equal(rows(to, 0, 1, 3), np.full((1, 3), 14))
    # A name is free again, and leads to other memory.
    again = share("of", NOBODYS)
    rows(again, 0, 1, 3)[:] = 8
    answer = ask(carry, (1, 3), to=None)
    assert np.array_equal(answer.as_numpy("y"), np.full((1, 3), 16))


def test_stages_of_a_class_read_and_make_what_is_there(
    carry: Carry, gpu: FakeGpu, share: Any
) -> None:
    class Staged(Doubler):
        def prepare(self, batch: Batch) -> Mapping[str, Any]:
            assert batch["x"].tolist() == batch.copy()["x"].tolist()
            return {"more": batch["x"] + 1}

        def finish(self, outputs: Mapping[str, Any], batch: Batch) -> Mapping[str, Any]:
            return {"y": outputs["y"] + batch["more"]}

    carry(Staged(gpu), gpu, 2)
    of, to = share("of", OF), share("to", TO)
    rows(of, 0, 2, 3)[:] = [[1, 2, 3], [4, 5, 6]]
    ask(carry, (2, 3))
    assert np.array_equal(rows(to, 0, 2, 3), 3 * rows(of, 0, 2, 3) + 1)


def test_a_batch_that_runs_again_reads_its_rows_again(
    carry: Carry, gpu: FakeGpu, share: Any
) -> None:
    class Picky(Doubler):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            if (batch["x"] < 0).any():
                raise ValueError("a number below zero")
            return super().predict(batch)

    carry(Picky(gpu), gpu, 1, repeatable=True)
    of, to = share("of", OF), share("to", TO)
    whole = rows(of, 0, 4, 3)
    whole[:] = np.arange(12).reshape(4, 3)
    whole[2] = -1
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, carry, (1, 3), of=ROW * at, to=ROW * at) for at in range(4)]
        for at, one in enumerate(asked):
            if at == 2:
                with pytest.raises(InferenceServerException, match="below zero"):
                    one.result(LONG)
            else:
                one.result(LONG)
                assert np.array_equal(rows(to, ROW * at, 1, 3)[0], 2 * whole[at])


def test_what_a_model_made_of_the_wrong_shape_reaches_nobody(
    carry: Carry, gpu: FakeGpu, share: Any
) -> None:
    class Short(Doubler):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            x: Any = batch.tensor("x")
            return {"y": self.gpu.launch(lambda x: x[:0], x, out=There((0, 3), np.float32))}

    carry(Short(gpu), gpu, 1)
    share("of", OF), share("to", TO)
    with pytest.raises(InferenceServerException, match="declared output 'y'"):
        ask(carry, (1, 3))
