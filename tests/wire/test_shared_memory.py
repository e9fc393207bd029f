"""Tensors in shared memory, as Triton's clients share it."""

import asyncio
import base64
import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
import tritonclient.utils.shared_memory as shm
from numpy.typing import NDArray
from tests.wire.conftest import Server
from tests.wire.test_datatypes import sample
from tritonclient.utils import InferenceServerException, serialize_byte_tensor

Share = Callable[[str, int], Any]


@pytest.fixture
def share(grpc: Any) -> Iterator[Share]:
    """Make memory of a size, and register it under its name."""
    made = []

    def of(name: str, size: int) -> Any:
        key = f"/headrace-test-{os.getpid()}-{name}"
        memory = shm.create_shared_memory_region(name, key, size)
        made.append(memory)
        grpc.register_system_shared_memory(name, key, size)
        return memory

    yield of
    grpc.unregister_system_shared_memory()
    for memory in made:
        shm.destroy_shared_memory_region(memory)


def asked(
    library: ModuleType, datatype: str, shape: tuple[int, ...], size: int, out: int
) -> tuple[list[Any], list[Any]]:
    """Return an input in region `of` and an output in region `to`, 16 bytes from their begin."""
    tensor = library.InferInput("x", list(shape), datatype)
    tensor.set_shared_memory("of", size, offset=16)
    wanted = library.InferRequestedOutput("y")
    wanted.set_shared_memory("to", out, offset=16)
    return [tensor], [wanted]


def written(value: NDArray[Any], datatype: str) -> NDArray[Any]:
    """Return the bytes of ``value`` as they lie in memory."""
    if datatype == "BYTES":
        return np.frombuffer(serialize_byte_tensor(value).item(), np.uint8)
    return np.frombuffer(value.tobytes(), np.uint8)


@pytest.mark.parametrize("library", [tritonclient.grpc, tritonclient.http], ids=["grpc", "http"])
def test_what_lies_there_comes_back_there(
    datatype: str, library: ModuleType, share: Share, server: Server
) -> None:
    value = sample(datatype, (3, 5, 2))
    data = written(value, datatype)
    of, to = share("of", 16 + data.size), share("to", 16 + data.size + 5)
    shm.set_shared_memory_region(of, [data], offset=16)
    address = server.grpc if library is tritonclient.grpc else server.http
    with library.InferenceServerClient(address) as client:
        inputs, outputs = asked(library, datatype, value.shape, data.size, data.size + 5)
        answer = client.infer(f"echo_{datatype.lower()}", inputs, outputs=outputs)
    output = answer.get_output("y")
    shape = output["shape"] if isinstance(output, dict) else output.shape
    assert list(shape) == list(value.shape)
    kind: Any = value.dtype if value.dtype != np.object_ else np.object_
    found = shm.get_contents_as_numpy(to, kind, list(value.shape), offset=16)
    np.testing.assert_array_equal(found, value)


def test_one_tensor_may_lie_there_and_another_come_along(share: Share, grpc: Any) -> None:
    of = share("of", 16)
    shm.set_shared_memory_region(of, [np.array([[1, 2, 3, 4]], np.int32)])
    a = tritonclient.grpc.InferInput("a", [1, 4], "INT32")
    a.set_shared_memory("of", 16)
    b = tritonclient.grpc.InferInput("b", [1, 4], "INT32")
    b.set_data_from_numpy(np.array([[10, 20, 30, 40]], np.int32))
    outputs = [tritonclient.grpc.InferRequestedOutput(name) for name in ("sum", "difference")]
    outputs[1].set_shared_memory("of", 16)
    answer = grpc.infer("pair", [a, b], outputs=outputs)
    np.testing.assert_array_equal(answer.as_numpy("sum"), [[11, 22, 33, 44]])
    found = shm.get_contents_as_numpy(of, np.int32, [1, 4])
    np.testing.assert_array_equal(found, [[-9, -18, -27, -36]])


def test_regions_are_told_and_taken_back(share: Share, http: Any, grpc: Any) -> None:
    share("of", 32)
    key = f"/headrace-test-{os.getpid()}-of"
    assert http.get_system_shared_memory_status() == [
        {"name": "of", "key": key, "offset": 0, "byte_size": 32}
    ]
    (told,) = grpc.get_system_shared_memory_status("of").regions.values()
    assert (told.name, told.key, told.offset, told.byte_size) == ("of", key, 0, 32)
    with pytest.raises(InferenceServerException, match="'of' already in manager"):
        http.register_system_shared_memory("of", key, 32)
    for name in ("two", "three", "four"):
        http.register_system_shared_memory(name, key, 16, offset=16)
    with pytest.raises(InferenceServerException, match="limit client_regions"):
        http.register_system_shared_memory("five", key, 1)
    http.unregister_system_shared_memory("two")
    with pytest.raises(InferenceServerException, match="Unable to find system shared memory"):
        http.get_system_shared_memory_status("two")
    assert len(grpc.get_system_shared_memory_status().regions) == 3
    assert "system_shared_memory" in http.get_server_metadata()["extensions"]


def test_regions_on_devices_are_told_and_taken_back_and_the_cpu_has_none(
    http: Any, grpc: Any
) -> None:
    handle = base64.b64encode(bytes(range(64)))
    http.register_cuda_shared_memory("one", handle, 1, 4096)
    grpc.register_cuda_shared_memory("two", handle, 0, 64)
    assert http.get_cuda_shared_memory_status() == [
        {"name": "one", "device_id": 1, "byte_size": 4096},
        {"name": "two", "device_id": 0, "byte_size": 64},
    ]
    (told,) = grpc.get_cuda_shared_memory_status("two").regions.values()
    assert (told.name, told.device_id, told.byte_size) == ("two", 0, 64)
    assert "cuda_shared_memory" in http.get_server_metadata()["extensions"]
    with pytest.raises(InferenceServerException, match="'one' already in manager"):
        grpc.register_cuda_shared_memory("one", handle, 0, 1)
    with pytest.raises(InferenceServerException, match="its handle has 3 bytes"):
        http.register_cuda_shared_memory("three", base64.b64encode(b"123"), 0, 1)
    for library, client in [(tritonclient.http, http), (tritonclient.grpc, grpc)]:
        for model, datatype, size, words in [
            ("echo_fp32", "FP32", 48, "this version computes on the CPU"),
            ("echo_fp32", "FP32", 44, "Expected 48, got 44"),
            ("echo_bytes", "BYTES", 48, "it is of BYTES"),
            ("echo_fp32", "FP32", 64, "Invalid offset . byte size for shared memory region: 'two'"),
        ]:
            tensor = library.InferInput("x", [2, 3, 2], datatype)
            tensor.set_shared_memory("two", size, offset=16 if size == 64 else 4)
            with pytest.raises(InferenceServerException, match=words):
                client.infer(model, [tensor])
    http.unregister_cuda_shared_memory("one")
    grpc.unregister_cuda_shared_memory()
    assert http.get_cuda_shared_memory_status() == []


def test_a_client_that_shrinks_its_memory_meanwhile_harms_itself_alone(
    share: Share, server: Server
) -> None:
    """A server that had mapped it would be killed by its next look."""
    value = np.zeros((8, 4096, 2), np.float32)
    of, _ = share("of", 16 + value.nbytes), share("to", 16 + value.nbytes)
    path = f"/dev/shm/headrace-test-{os.getpid()}-of"

    async def ask() -> int:
        failed = 0
        async with tritonclient.grpc.aio.InferenceServerClient(server.grpc) as client:
            inputs, outputs = asked(
                tritonclient.grpc, "FP32", value.shape, value.nbytes, value.nbytes
            )
            for turn in range(200):
                size = 16 if turn % 2 else 16 + value.nbytes
                call = asyncio.ensure_future(client.infer("echo_fp32", inputs, outputs=outputs))
                await asyncio.sleep(0)
                os.truncate(path, size)
                outcomes: Any = await asyncio.gather(call, return_exceptions=True)
                outcome = outcomes[0]
                if isinstance(outcome, BaseException):
                    assert "shorter than it was when it was registered" in str(outcome)
                    failed += 1
        return failed

    assert asyncio.run(ask()) > 0
    os.truncate(path, 16 + value.nbytes)
    shm.set_shared_memory_region(of, [value.reshape(-1)], offset=16)
    assert server.get("/v2/health/ready")[0] == 200
