"""Every datatype and shape goes through unchanged, as Triton's clients encode them."""

import json
import urllib.error
import urllib.request
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from numpy.typing import NDArray

SHAPES = [(1, 1, 2), (3, 5, 2), (8, 1, 2), (2, 0, 2)]
NUMPY = {
    "BOOL": np.bool_,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BF16": ml_dtypes.bfloat16,
}


def sample(datatype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    dice = np.random.default_rng(7)
    if datatype == "BYTES":
        words = [dice.bytes(int(dice.integers(0, 9))) for _ in range(int(np.prod(shape)))]
        array = np.empty(len(words), dtype=np.object_)
        array[:] = words
        return array.reshape(shape)
    if datatype in NUMPY:
        return (dice.normal(size=shape) * 9).astype(NUMPY[datatype])
    dtype = np.dtype(datatype.lower())
    limits = np.iinfo(dtype)
    return dice.integers(limits.min, limits.max, size=shape, dtype=dtype, endpoint=True)


def echo(library: ModuleType, client: Any, datatype: str, value: NDArray[Any], **how: Any) -> Any:
    tensor = library.InferInput("x", list(value.shape), datatype)
    tensor.set_data_from_numpy(value, **how)
    return client.infer(f"echo_{datatype.lower()}", [tensor], request_id="r1")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_grpc_returns_what_was_sent(grpc: Any, datatype: str, shape: tuple[int, ...]) -> None:
    value = sample(datatype, shape)
    answer = echo(tritonclient.grpc, grpc, datatype, value)
    np.testing.assert_array_equal(answer.as_numpy("y"), value)
    assert answer.get_response().id == "r1"
    assert answer.get_response().model_version == "1"


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_http_binary_returns_what_was_sent(
    http: Any, datatype: str, shape: tuple[int, ...]
) -> None:
    value = sample(datatype, shape)
    answer = echo(tritonclient.http, http, datatype, value, binary_data=True)
    np.testing.assert_array_equal(answer.as_numpy("y"), value)
    assert answer.get_response()["id"] == "r1"


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_http_bodies_may_be_compressed_both_ways(http: Any, algorithm: str) -> None:
    value = sample("FP32", (3, 5, 2))
    tensor = tritonclient.http.InferInput("x", list(value.shape), "FP32")
    tensor.set_data_from_numpy(value)
    answer = http.infer(
        "echo_fp32",
        [tensor],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(answer.as_numpy("y"), value)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_grpc_messages_may_be_compressed(grpc: Any, algorithm: str) -> None:
    value = sample("FP32", (3, 5, 2))
    tensor = tritonclient.grpc.InferInput("x", list(value.shape), "FP32")
    tensor.set_data_from_numpy(value)
    answer = grpc.infer("echo_fp32", [tensor], compression_algorithm=algorithm)
    np.testing.assert_array_equal(answer.as_numpy("y"), value)


def test_http_json_returns_what_was_sent(http: Any, json_datatype: str) -> None:
    value = sample(json_datatype, (3, 5, 2))
    if json_datatype == "BYTES":  # JSON carries text only
        value = np.array([f"wört{n}" for n in range(30)], dtype=np.object_).reshape(3, 5, 2)
    tensor = tritonclient.http.InferInput("x", list(value.shape), json_datatype)
    tensor.set_data_from_numpy(value, binary_data=False)
    wanted = tritonclient.http.InferRequestedOutput("y", binary_data=False)
    got = http.infer(f"echo_{json_datatype.lower()}", [tensor], outputs=[wanted]).as_numpy("y")
    np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize("half", ["FP16", "BF16"])
def test_half_floats_have_no_json_form(http: Any, server: Any, half: str) -> None:
    tensor = {"name": "x", "datatype": half, "shape": [1, 1, 2], "data": [1.0, 2.0]}
    body = json.dumps({"inputs": [tensor]}).encode()
    url = f"http://{server.http}/v2/models/echo_{half.lower()}/infer"
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(url, body, timeout=10)
    assert refusal.value.code == 400
    assert "binary" in json.load(refusal.value)["error"]
