"""Requests that Triton's Python models make, and what they count."""

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from headrace_core import Metrics

from headrace.backends.triton_python import calls
from headrace.backends.triton_python.instance import Instance
from headrace.backends.triton_python.refusals import TritonModelException
from headrace.backends.triton_python.surface import provide
from headrace.backends.triton_python.tensor import Tensor
from headrace.errors import CalledEarly, CallFailed
from headrace.execution.elements import Elements
from headrace.models import Context
from headrace.models.calling import Answer, Call

pb_utils: Any = provide()
X = Tensor("x", np.zeros((1, 2), np.float32))


class Server:
    """Answers calls with what a test says."""

    def __init__(self, *answers: Answer | CallFailed) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[Call, bool]] = []
        self.cancelled = 0

    def begin(self, call: Call, *, in_parts: bool = False) -> Any:
        self.sent.append((call, in_parts))
        return SimpleNamespace(next=self.next, cancel=self.cancel)

    def next(self) -> Answer | None:
        if not self.answers:
            return None
        if isinstance(found := self.answers.pop(0), CallFailed):
            raise found
        return found

    def cancel(self) -> None:
        self.cancelled += 1


def answer(**outputs: Any) -> Answer:
    return Answer("back", 3, "n", {"k": 1}, outputs)


@pytest.fixture
def serve() -> Iterator[Any]:
    """Makes this thread one of a model's."""

    def serve(*answers: Answer | CallFailed) -> Server:
        server = Server(*answers)
        metrics = Metrics("life")
        named = SimpleNamespace(
            metric=lambda name, about, labels, is_counter: metrics.metric(
                ("m", 1), name, about, is_counter, labels
            )
        )
        calls.caller.set(Context("m", 1, Path("m/1"), caller=server, metrics=named))
        return server

    token = calls.caller.set(None)
    yield serve
    calls.caller.reset(token)


def request(**given: Any) -> Any:
    made = {"model_name": "back", "requested_output_names": ["y"], "inputs": [X]}
    return pb_utils.InferenceRequest(**made | given)


def test_what_a_request_asks(serve: Any) -> None:
    server = serve(answer(y=np.ones(1)), answer(y=np.ones(1)))
    assert not request().exec().has_error()
    more = {"model_version": 2, "timeout": 500_000, "request_id": "n", "parameters": {"a": 1}}
    prefers = pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_GPU, 0)
    one = request(model_name=b"back", correlation_id="s", preferred_memory=prefers, **more)
    one.set_flags(pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START)
    assert (one.request_id(), one.timeout(), one.correlation_id(), one.flags()) == (
        "n",
        500_000,
        "s",
        1,
    )
    one.exec()
    plain, whole = (call for call, _ in server.sent)
    assert plain == Call("back", {"x": X.raw}, outputs=["y"])
    parameters = {"a": 1, "sequence_id": "s", "sequence_start": True, "sequence_end": False}
    how: dict[str, Any] = {"outputs": ["y"], "parameters": parameters, "timeout_s": 0.5, "id": "n"}
    assert whole == Call("back", {"x": X.raw}, 2, **how)


def test_what_came_is_a_response(serve: Any) -> None:
    texts = Elements([b"a", b"b"], (1, 2))
    frozen = np.ones((1, 2), np.float32)
    frozen.flags.writeable = False
    serve(answer(y=frozen, t=texts))
    response = request().exec()
    assert response.parameters() == '{"k": 1}'
    y = pb_utils.get_output_tensor_by_name(response, "y").as_numpy()
    y += 1
    assert y.tolist() == [[2, 2]]
    assert pb_utils.get_output_tensor_by_name(response, "t").as_numpy().tolist() == [[b"a", b"b"]]


@pytest.mark.parametrize(
    ("code", "triton"),
    [
        ("not_found", pb_utils.TritonError.NOT_FOUND),
        ("invalid", pb_utils.TritonError.INVALID_ARG),
        ("expired", pb_utils.TritonError.UNAVAILABLE),
        ("cancelled", pb_utils.TritonError.CANCELLED),
        ("model_failed", pb_utils.TritonError.INTERNAL),
    ],
)
def test_an_error_is_a_response_too(serve: Any, code: str, triton: int) -> None:
    serve(CallFailed(code, "why"), CallFailed(code, "why"))
    (part,) = request().exec(decoupled=True)
    for response in (request().exec(), part):
        assert response.has_error()
        assert (response.error().message(), response.error().code()) == ("why", triton)


def test_a_decoupled_model_has_responses_until_the_last(serve: Any) -> None:
    server = serve(answer(y=np.zeros(1)), answer(y=np.ones(1)))
    responses = request().exec(decoupled=True)
    found = [pb_utils.get_output_tensor_by_name(one, "y").as_numpy().item() for one in responses]
    assert (found, list(responses)) == ([0, 1], [])
    assert server.sent[0][1]
    responses.cancel()
    assert server.cancelled == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"inputs": [None]}, "Input tensor for request with id '' and model name 'back' should"),
        ({"requested_output_names": [""]}, "Requested output name for request with id ''"),
        ({"correlation_id": 1.5}, "Correlation ID must be integer or string"),
    ],
)
def test_what_cannot_be_asked(given: Any, said: str) -> None:
    with pytest.raises(TritonModelException, match=said):
        request(**given)


def test_a_model_that_calls_too_early_is_told(serve: Any) -> None:
    class Early(Server):
        def begin(self, call: Call, *, in_parts: bool = False) -> Any:
            raise CalledEarly(call.model)

    calls.caller.set(Context("m", 1, Path("m/1"), caller=Early()))
    with pytest.raises(TritonModelException, match="'back' cannot be called now"):
        request().exec()


def test_a_thread_of_a_models_own_calls_for_the_only_one_there_is() -> None:
    gc.collect()
    cls = type("TritonPythonModel", (), {"execute": None})
    first, second = Instance(cls, {}), Instance(cls, {})
    first.initialize(Context("m", 1, Path("m/1"), caller=Server(answer(y=np.ones(1)))))
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(request().exec().has_error())
        except TritonModelException as error:
            found.append(str(error))

    def run() -> Any:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return found.pop()

    assert run() is False
    second.initialize(Context("n", 1, Path("n/1"), caller=Server()))
    assert "which model calls is not known in this thread" in run()


def test_a_model_counts(serve: Any) -> None:
    serve()
    family = pb_utils.MetricFamily("hits", "Hits", pb_utils.MetricFamily.COUNTER)
    hits = family.Metric(labels={"a": "b"})
    hits.increment(2)
    assert (hits.value(), family.Metric(labels={"a": "b"}).value()) == (2, 2)
    with pytest.raises(TritonModelException, match="Failed to set metric value: 'hits' is a coun"):
        hits.set(1)
    with pytest.raises(TritonModelException, match="Failed to increment metric value"):
        hits.increment(-1)
    depth = pb_utils.MetricFamily("depth", "", pb_utils.MetricFamily.GAUGE).Metric()
    depth.set(7)
    depth.increment(-2)
    assert depth.value() == 5
    ours = pb_utils.MetricFamily("nv_x", "", pb_utils.MetricFamily.GAUGE)
    with pytest.raises(TritonModelException, match="Error when creating Metric: 'nv_x' begins as"):
        ours.Metric()
    with pytest.raises(TritonModelException, match="HISTOGRAM is not served"):
        pb_utils.MetricFamily("x", "", pb_utils.MetricFamily.HISTOGRAM)
