"""What Triton's Python models get and give: requests, responses and their senders."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headrace.backends.triton_python.instance import arguments
from headrace.backends.triton_python.refusals import TritonModelException
from headrace.backends.triton_python.request import NOT_TOLD, InferenceRequest, Told
from headrace.backends.triton_python.response import InferenceResponse, TritonError
from headrace.backends.triton_python.sender import MOST_WAITING, ResponseSender
from headrace.backends.triton_python.surface import provide
from headrace.backends.triton_python.tensor import Tensor
from headrace.backends.triton_python.whole import answers, joined
from headrace.errors import ModelBroken
from headrace.execution.outputs import to_host
from headrace.models import Context
from headrace.models import Tensor as Declared

pb_utils: Any = provide()
FINAL = 1


def sender(most: int | None = None) -> ResponseSender:
    return ResponseSender(threading.Condition(), most=most)


def request(sequence: Any = None) -> Any:
    inputs = [Tensor("x", np.zeros([1, 2], np.float32))]
    told = Told("m", 3, ["y"])
    return InferenceRequest.received(told, inputs, {"k": 1}, sender(), sequence)


def response(**outputs: Any) -> InferenceResponse:
    return InferenceResponse([Tensor(name, value) for name, value in outputs.items()])


def test_a_request_says_what_was_sent() -> None:
    one = request()
    assert pb_utils.get_input_tensor_by_name(one, "x").shape() == [1, 2]
    assert pb_utils.get_input_tensor_by_name(one, "z") is None
    assert one.parameters() == '{"k": 1}'
    assert (one.model_name(), one.model_version()) == ("m", 3)
    assert one.requested_output_names() == ["y"]
    assert (one.correlation_id(), one.flags(), one.is_cancelled()) == (0, 0, False)


@pytest.mark.parametrize(
    ("start", "end", "flags"),
    [(False, False, 0), (True, False, 1), (False, True, 2), (True, True, 3)],
)
def test_a_request_of_a_sequence(start: bool, end: bool, flags: int) -> None:
    one = request(SimpleNamespace(id="a", start=start, end=end))
    assert (one.correlation_id(), one.flags()) == ("a", flags)


@pytest.mark.parametrize("name", [*NOT_TOLD, "request_id", "timeout", "exec"])
def test_what_a_request_does_not_tell(name: str) -> None:
    with pytest.raises(TritonModelException, match=rf"InferenceRequest.{name}\(\) is not served: "):
        getattr(request(), name)()


def test_a_request_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="has no rows"):
        _ = request().rows


def test_a_response() -> None:
    one = response(y=np.zeros([1], np.int8))
    assert not one.has_error()
    assert one.error() is None
    assert pb_utils.get_output_tensor_by_name(one, "y").shape() == [1]
    assert one.parameters() == "{}"
    with pytest.raises(TritonModelException, match="answers carry tensors alone"):
        InferenceResponse(parameters={"a": 1})
    with pytest.raises(TypeError, match=r"expected pb_utils\.Tensor, not ndarray"):
        InferenceResponse([np.zeros(1)])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("INTERNAL", "why"),
        ("INVALID_ARG", "why"),
        ("UNKNOWN", "why [UNKNOWN]"),
        ("NOT_FOUND", "why [NOT_FOUND]"),
        ("UNAVAILABLE", "why [UNAVAILABLE]"),
        ("UNSUPPORTED", "why [UNSUPPORTED]"),
        ("ALREADY_EXISTS", "why [ALREADY_EXISTS]"),
        ("CANCELLED", "why [CANCELLED]"),
    ],
)
def test_errors_have_codes(code: str, told: str) -> None:
    error = TritonError("why", getattr(TritonError, code))
    assert (error.message(), error.told) == ("why", told)
    assert TritonError("why").code() == TritonError.INTERNAL
    with pytest.raises(ValueError, match="has no code 8"):
        TritonError("why", 8)


def test_a_sender_says_the_last_word_once() -> None:
    one = sender()
    with pytest.raises(TritonModelException, match="without a response is for the flag"):
        one.send()
    with pytest.raises(TypeError, match=r"expects a pb_utils\.InferenceResponse, not int"):
        one.send(3)  # type: ignore[arg-type]
    first = response()
    one.send(first)
    one.send(flags=FINAL)
    assert (one.take(), one.take(), one.is_final) == (first, None, True)
    with pytest.raises(TritonModelException, match="after the flag"):
        one.send(first)


def test_a_model_that_is_not_decoupled_sends_one_response() -> None:
    one = sender(most=1)
    one.send(response())
    with pytest.raises(TritonModelException, match="sends one response a request"):
        one.send(response())


def test_a_sender_waits_for_its_reader_and_not_for_who_left() -> None:
    one = sender()
    for _ in range(MOST_WAITING):
        one.send(response())
    sending = threading.Thread(target=one.send, args=(response(),))
    sending.start()
    assert one.take() is not None
    sending.join(10)
    assert not sending.is_alive()
    leaving = threading.Thread(target=one.send, args=(response(),))
    leaving.start()
    one.close()
    leaving.join(10)
    assert not leaving.is_alive()
    assert one.is_cancelled()
    assert one.take() is None


NUMBERS = Declared("y", "FP32", [2])
TEXTS = Declared("t", "BYTES", [-1])


@pytest.mark.parametrize(
    ("value", "fits"), [(np.int64(7), True), (np.uint8(7), True), (np.int64(1 << 40), False)]
)
def test_whole_numbers_are_as_wide_as_declared_where_they_fit(value: Any, fits: bool) -> None:
    narrow, sent = Declared("n", "INT32", [1]), response(n=np.array([[value]]))
    if fits:
        array = joined([narrow], [sent], [1])["n"]
        assert (array.dtype, array.tolist()) == (np.int32, [[7]])
    else:
        with pytest.raises(ModelBroken, match="INT64"):
            joined([narrow], [sent], [1])


def test_responses_are_joined_row_by_row() -> None:
    failed = InferenceResponse(error=TritonError("no"))
    row = response(y=np.ones([1, 2], np.float32), t=np.array([["a", b"b"]], object))
    both = joined([NUMBERS, TEXTS], [row, failed], [1, 1])
    assert both["y"].tolist() == [[1, 1], [0, 0]]
    assert both["t"].tolist() == [["a", b"b"], [b"", b""]]
    none = to_host(joined([NUMBERS, TEXTS], [failed], [1]))
    assert (none["y"].shape, none["t"].tolist()) == ((1, 2), [[b""]])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"should have output 'y' once, .* it has \[\]"),
        ({"y": np.ones([1, 3], np.float32)}, r"should be FP32\[1, 2\], but the response has FP32"),
        ({"y": np.ones([2], np.float32)}, r"has FP32\[2\]"),
        ({"y": np.ones([1, 2])}, r"has FP64\[1, 2\]"),
    ],
)
def test_a_response_is_as_it_was_declared(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelBroken, match=said):
        joined([NUMBERS], [response(**given)], [1])


def test_rows_of_one_batch_have_one_shape() -> None:
    rows = [response(t=np.full([1, size], b"", object)) for size in (1, 2)]
    with pytest.raises(ModelBroken, match=r"rows of shapes \[\(1,\), \(2,\)\] in one batch"):
        joined([TEXTS], rows, [1, 1])


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "the one of request 0 is NoneType"),
        ([response()], "a list of 2 .*, not '1 of them'"),
        (3, "not 3"),
        ([response(), None], "the one of request 1 is NoneType"),
        ([3, response()], "the one of request 0 is int"),
    ],
)
def test_each_request_has_its_response(returned: Any, said: str) -> None:
    changed = threading.Condition()
    senders = [ResponseSender(changed, most=1) for _ in range(2)]
    with pytest.raises(ModelBroken, match=said):
        answers(returned, senders, changed)


@pytest.mark.parametrize(("device", "kind"), [("cpu", "CPU"), ("cuda:0", "GPU")])
def test_what_a_model_is_initialized_with(device: str, kind: str) -> None:
    told = arguments(Context("m", 3, Path("/models/m/3"), device), {"name": "m"})
    assert told == {
        "model_config": '{"name": "m"}',
        "model_instance_kind": kind,
        "model_instance_device_id": "0",
        "model_instance_name": "m_0",
        "model_repository": "/models/m",
        "model_version": "3",
        "model_name": "m",
    }
