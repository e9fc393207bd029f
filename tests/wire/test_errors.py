"""What is wrong with a request is said with the protocol's status, in words that help."""

import json
import urllib.error
import urllib.request
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

X = {"name": "x", "datatype": "FP32", "shape": [1, 1, 2], "data": [1, 2]}
A = {"name": "a", "datatype": "INT32", "shape": [1, 4], "data": [1, 2, 3, 4]}
B = A | {"name": "b"}

#: what is posted to which model: status, words of the answer
CASES: list[tuple[str, str, Any, int, str]] = [
    ("unknown model", "nobody", {"inputs": [X]}, 404, "nobody"),
    ("unknown version", "echo_fp32/versions/9", {"inputs": [X]}, 404, "version 9"),
    ("malformed JSON", "echo_fp32", b'{"inputs": [', 400, "parse"),
    ("no inputs", "echo_fp32", {}, 400, "inputs"),
    ("too few inputs", "pair", {"inputs": [A]}, 400, "expected 2 inputs but got 1"),
    ("unexpected input", "pair", {"inputs": [A, X]}, 400, "unexpected inference input 'x'"),
    ("input twice", "pair", {"inputs": [A, A]}, 400, "already exists"),
    ("datatype", "echo_fp32", {"inputs": [X | {"datatype": "INT32"}]}, 400, "data-type is 'INT32'"),
    ("no datatype", "echo_fp32", {"inputs": [X | {"datatype": "FP33"}]}, 400, "FP33"),
    ("shape", "pair", {"inputs": [A | {"shape": [1, 2, 2]}, B]}, 400, "unexpected shape for input"),
    ("count", "echo_fp32", {"inputs": [X | {"data": [1]}]}, 400, "data"),
    ("negative size", "echo_fp32", {"inputs": [X | {"shape": [-1, 1, 2]}]}, 400, "shape"),
    (
        "too many rows",
        "echo_fp32",
        {"inputs": [X | {"shape": [9, 1, 2], "data": [0] * 18}]},
        400,
        "batch-size must be <= 8",
    ),
    (
        "batches differ",
        "pair",
        {"inputs": [A, B | {"shape": [2, 4], "data": [0] * 8}]},
        400,
        "batch size does not match",
    ),
    (
        "unexpected output",
        "echo_fp32",
        {"inputs": [X], "outputs": [{"name": "zz"}]},
        400,
        "unexpected inference output 'zz'",
    ),
    (
        "the model raises",
        "pair",
        {"inputs": [A | {"data": [666] * 4}, B]},
        500,
        "number of the beast",
    ),
]


@pytest.mark.parametrize(
    ("model", "body", "status", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_http_says_what_is_wrong(
    server: Any, model: str, body: Any, status: int, words: str
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"http://{server.http}/v2/models/{model}/infer", data, timeout=10)
    said = json.load(refusal.value)["error"]
    assert (refusal.value.code, words in said) == (status, True), said


def pair(a: Any, b: Any) -> list[tritonclient.grpc.InferInput]:
    inputs = []
    for name, value in (("a", a), ("b", b)):
        array = np.array(value)
        kind = {"int32": "INT32", "float32": "FP32"}[str(array.dtype)]
        tensor = tritonclient.grpc.InferInput(name, list(array.shape), kind)
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs


ONES = np.ones((1, 4), np.int32)
GRPC_CASES: list[tuple[str, str, str, Any, str, str]] = [
    ("unknown model", "nobody", "", pair(ONES, ONES), "NOT_FOUND", "nobody"),
    ("unknown version", "pair", "9", pair(ONES, ONES), "NOT_FOUND", "version 9"),
    ("unknown alias", "pair", "abc", pair(ONES, ONES), "NOT_FOUND", "version 'abc'"),
    ("version text", "pair", "1b", pair(ONES, ONES), "INVALID_ARGUMENT", "integral value > 0"),
    (
        "too few",
        "pair",
        "",
        pair(ONES, ONES)[:1],
        "INVALID_ARGUMENT",
        "expected 2 inputs but got 1",
    ),
    ("datatype", "pair", "", pair(ONES, ONES.astype(np.float32)), "INVALID_ARGUMENT", "data-type"),
    (
        "shape",
        "pair",
        "",
        pair(ONES, np.ones((1, 5), np.int32)),
        "INVALID_ARGUMENT",
        "unexpected shape",
    ),
    (
        "rows",
        "pair",
        "",
        pair(np.ones((9, 4), np.int32), np.ones((9, 4), np.int32)),
        "INVALID_ARGUMENT",
        "batch-size must be <= 8",
    ),
    ("the model raises", "pair", "", pair(ONES * 666, ONES), "INTERNAL", "number of the beast"),
]


@pytest.mark.parametrize(
    ("model", "version", "inputs", "code", "words"),
    [c[1:] for c in GRPC_CASES],
    ids=[c[0] for c in GRPC_CASES],
)
def test_grpc_says_what_is_wrong(
    grpc: Any, model: str, version: str, inputs: Any, code: str, words: str
) -> None:
    with pytest.raises(InferenceServerException) as refusal:
        grpc.infer(model, inputs, model_version=version)
    assert refusal.value.status() == f"StatusCode.{code}"
    assert words in str(refusal.value)


def test_a_failure_of_the_model_carries_an_error_id(grpc: Any) -> None:
    with pytest.raises(InferenceServerException, match=r"\[error id e-[0-9a-f]+\]"):
        grpc.infer("pair", pair(ONES * 666, ONES))


def test_a_failure_harms_no_later_request(grpc: Any) -> None:
    with pytest.raises(InferenceServerException):
        grpc.infer("pair", pair(ONES * 666, ONES))
    answer = grpc.infer("pair", pair(ONES, ONES))
    np.testing.assert_array_equal(answer.as_numpy("sum"), ONES * 2)


def asked(library: Any, client: Any, **how: Any) -> Any:
    """The refusal of a request of which nothing is wrong but what `how` adds."""
    inputs = []
    for name in "ab":
        tensor = library.InferInput(name, [1, 4], "INT32")
        tensor.set_data_from_numpy(ONES)
        inputs.append(tensor)
    with pytest.raises(InferenceServerException) as refusal:
        client.infer("pair", inputs, **how)
    return refusal.value


def test_classification_is_refused_by_name(http: Any, grpc: Any) -> None:
    for library, client, status in (
        (tritonclient.http, http, "501"),
        (tritonclient.grpc, grpc, "StatusCode.UNIMPLEMENTED"),
    ):
        output = library.InferRequestedOutput("sum", class_count=2)
        refusal = asked(library, client, outputs=[output])
        assert refusal.status() == status
        assert "classification of output 'sum' is not offered" in str(refusal)


def test_a_sequence_has_a_number_or_a_short_text_as_its_name(http: Any, grpc: Any) -> None:
    for library, client, status in (
        (tritonclient.http, http, "400"),
        (tritonclient.grpc, grpc, "StatusCode.INVALID_ARGUMENT"),
    ):
        refusal = asked(library, client, sequence_id="a" * 129)
        assert refusal.status() == status
        assert "a sequence_id may have 128 bytes" in str(refusal)
