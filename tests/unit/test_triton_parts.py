"""Decoupled models of Triton's, stepped without a core."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.backends.triton_python.instance import Instance
from headrace.backends.triton_python.parts import InParts
from headrace.backends.triton_python.response import InferenceResponse
from headrace.backends.triton_python.sender import COMPLETE_FINAL, MOST_WAITING
from headrace.backends.triton_python.tensor import Tensor as Sent
from headrace.execution.rehearsal import MadeUpSequence, woken
from headrace.execution.stepping import Together
from headrace.models import Context, Tensor

INPUTS = [Tensor("x", "INT32", [1])]
OUTPUTS = [Tensor("y", "INT32", [1])]
#: Steps in which anything has come that will; each waits for something to come.
ENOUGH = 2000


class Request(MadeUpSequence):
    """A request that keeps what it was sent."""

    def __init__(self, number: int, value: int, rows: int = 1) -> None:
        super().__init__(number, {"x": np.full([rows, 1], value, np.int32)}, OUTPUTS)
        self.rows = rows
        self.is_paused = False
        self.got: list[int] = []

    def emit(self, outputs: Any) -> str | None:
        self.got.append(int(outputs["y"].ravel()[0]))
        return super().emit(outputs)


def answer(value: int, datatype: Any = np.int32) -> InferenceResponse:
    return InferenceResponse([Sent("y", np.array([[value]], datatype))])


def model(execute: Callable[[Any, Any], Any], *, has_rows: bool = True) -> InParts:
    made = InParts(
        Instance(type("TritonPythonModel", (), {"execute": execute}), {}),
        INPUTS,
        OUTPUTS,
        has_rows=has_rows,
    )
    made.load(Context("m", 1, Path("m/1")))
    return made


def run(model: InParts, *requests: Request) -> None:
    """Step until all have ended."""
    at_work = Together(model, "cpu")
    for one in requests:
        at_work.join(one)
    for _ in range(ENOUGH):
        left = [one for one in requests if not one.has_ended]
        assert woken(left), "nobody says anything"
        at_work.advance()
        for one in requests:
            if one.has_ended:
                at_work.forget(one.number)
        if all(one.has_ended for one in requests):
            return
    raise AssertionError("they did not end")


def test_requests_that_join_together_are_executed_together() -> None:
    sizes = []

    def execute(self: Any, requests: Any) -> None:
        sizes.append(len(requests))
        for one in requests:
            sender, x = one.get_response_sender(), one.inputs()[0].as_numpy().item()
            sender.send(answer(x))
            sender.send(answer(x + 1), flags=COMPLETE_FINAL)

    one, two = Request(1, 10), Request(2, 20)
    run(model(execute), one, two)
    assert (one.got, two.got, sizes) == ([10, 11], [20, 21], [2])


@pytest.mark.parametrize(
    ("execute", "said"),
    [
        (lambda self, requests: [], "should return None and send its responses, but it returned"),
        (lambda self, requests: 1 // 0, r"execute() raised ZeroDivisionError"),
        (
            lambda self, requests: requests[0].get_response_sender().send(InferenceResponse()),
            "a response should have output 'y' once",
        ),
        (
            lambda self, requests: requests[0].get_response_sender().send(answer(1, np.float32)),
            "should be INT32[1, 1], but the response has FP32[1, 1]",
        ),
        (lambda self, requests: requests[0].timeout(), "InferenceRequest.timeout() is not served"),
    ],
)
def test_what_goes_wrong_is_its_requests(execute: Any, said: str) -> None:
    one = Request(1, 1)
    run(model(execute), one)
    assert said in one.rejected


def test_without_an_axis_of_rows_the_class_sees_none() -> None:
    seen = []

    def execute(self: Any, requests: Any) -> None:
        for one in requests:
            (x,) = one.inputs()
            seen.append(x.as_numpy().shape)
            response = InferenceResponse([Sent("y", x.as_numpy() * 2)])
            one.get_response_sender().send(response, flags=COMPLETE_FINAL)

    one = Request(1, 4)
    run(model(execute, has_rows=False), one)
    assert (seen, one.got, one.rejected) == ([(1,)], [8], "")


def test_a_response_to_several_rows_has_as_many() -> None:
    def execute(self: Any, requests: Any) -> None:
        (x,) = requests[0].inputs()
        response = InferenceResponse([Sent("y", x.as_numpy() * 2)])
        requests[0].get_response_sender().send(response, flags=COMPLETE_FINAL)

    one = Request(1, 4, rows=3)
    run(model(execute), one)
    assert one.got == [8]


def test_who_leaves_frees_the_model_that_sends_to_him() -> None:
    done = threading.Event()
    cancelled = []

    def execute(self: Any, requests: Any) -> None:
        sender = requests[0].get_response_sender()
        for at in range(3 * MOST_WAITING):
            sender.send(answer(at))
        cancelled.append(requests[0].is_cancelled())
        done.set()

    stepped, slow = model(execute), Request(1, 1)
    slow.is_paused = True
    at_work = Together(stepped, "cpu")
    at_work.join(slow)
    at_work.advance()
    at_work.advance()
    assert not done.is_set()
    assert slow.got == []
    at_work.forget(1)
    assert done.wait(10)
    assert cancelled == [True]


def test_a_model_is_finalized_when_nobody_holds_it() -> None:
    ended = threading.Event()

    class TritonPythonModel:
        def execute(self, requests: Any) -> None:
            for one in requests:
                one.get_response_sender().send(flags=COMPLETE_FINAL)

        def finalize(self) -> None:
            ended.set()

    made = InParts(Instance(TritonPythonModel, {}), INPUTS, OUTPUTS, has_rows=True)
    made.load(Context("m", 1, Path("m/1")))
    run(made, Request(1, 1))
    assert not ended.is_set()
    del made
    assert ended.is_set()
