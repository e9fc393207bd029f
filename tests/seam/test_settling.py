"""Every caller of a batch is answered once, whatever its model does."""

import threading
from typing import Any

import headrace_core
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.utils

ONE = np.ones((1, 2), np.float32)


def refused(rig: Any, array: Any = ONE) -> tuple[str, str]:
    with pytest.raises(tritonclient.utils.InferenceServerException) as told:
        rig.ask(array)
    return str(told.value.status()), str(told.value.message())


def test_a_model_that_raises_tells_its_callers_and_serves_on(rig: Any) -> None:
    def work(batch: headrace_core.Batch) -> None:
        if batch.inputs["x"][0, 0] < 0:
            batch.fail("below zero")
        else:
            batch.complete({"y": batch.inputs["x"]})

    rig.open(work)
    for _ in range(3):
        status, message = refused(rig, -ONE)
        assert (status, "below zero" in message) == ("StatusCode.INTERNAL", True)
        assert rig.ask(ONE).tolist() == ONE.tolist()


def test_a_batch_that_is_dropped_answers(rig: Any) -> None:
    rig.open(lambda batch: None)
    status, message = refused(rig)
    assert status == "StatusCode.INTERNAL"
    assert "model 'm' version 1 dropped its batch unanswered" in message


def test_a_lane_that_forgets_a_batch_answers_with_its_next_turn(rig: Any) -> None:
    kept: list[headrace_core.Batch] = []
    rig.open(kept.append)
    for _ in range(3):
        status, message = refused(rig)
        assert status == "StatusCode.INTERNAL"
        assert "dropped its batch unanswered" in message
    with pytest.raises(ValueError, match="settled"):
        kept[0].complete({"y": ONE})


def test_a_batch_is_settled_once(rig: Any) -> None:
    failures: list[BaseException] = []

    def work(batch: headrace_core.Batch) -> None:
        batch.complete({"y": batch.inputs["x"]})
        for again in (
            lambda: batch.complete({}),
            lambda: batch.fail("late"),
            lambda: batch.reject(0, "late"),
            batch.live,
            lambda: batch.inputs,
            lambda: batch.parameters,
        ):
            try:
                again()
            except ValueError as error:
                failures.append(error)
        assert batch.rows == 1

    rig.open(work)
    assert rig.ask(ONE).tolist() == ONE.tolist()
    assert rig.ask(ONE).tolist() == ONE.tolist()
    assert rig.shut()
    assert [str(error).startswith("the batch is settled") for error in failures[:6]] == [True] * 6


def test_a_rejected_row_is_a_400_for_its_caller(rig: Any) -> None:
    def work(batch: headrace_core.Batch) -> None:
        for row, value in enumerate(batch.inputs["x"][:, 0]):
            if value < 0:
                batch.reject(row, "a negative is no photo")
        with pytest.raises(IndexError, match="no row 99"):
            batch.reject(99, "nobody")
        batch.complete({"y": batch.inputs["x"]})

    rig.open(work)
    assert refused(rig, -ONE) == ("StatusCode.INVALID_ARGUMENT", "a negative is no photo")
    two = np.array([[1, 1], [-1, 1]], np.float32)
    assert refused(rig, two) == ("StatusCode.INVALID_ARGUMENT", "row 1: a negative is no photo")
    assert rig.ask(ONE).tolist() == ONE.tolist()


def test_inputs_cannot_be_written(rig: Any) -> None:
    def work(batch: headrace_core.Batch) -> None:
        view = batch.inputs["x"]
        with pytest.raises(ValueError, match="read-only"):
            view[0, 0] = 9
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            view.setflags(write=True)
        with pytest.raises(TypeError, match="cannot modify read-only"):
            memoryview(view)[0, 0] = 9.0  # type: ignore[call-overload]
        batch.complete({"y": view})

    rig.open(work)
    assert rig.ask(ONE).tolist() == ONE.tolist()


def test_an_input_that_is_kept_stays_as_it_was(rig: Any) -> None:
    kept: list[Any] = []

    def work(batch: headrace_core.Batch) -> None:
        kept.append(batch.inputs["x"][:, 1:])
        batch.complete({"y": batch.inputs["x"]})

    rig.open(work, batching={"max_delay_ms": 2.0})

    def call(first: int) -> None:
        rig.ask(np.arange(first, first + 4, dtype=np.float32).reshape(2, 2))

    for turn in range(20):
        callers = [threading.Thread(target=call, args=(turn * 8 + 4 * at,)) for at in range(2)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    seen = sorted(value for view in kept for value in view.ravel().tolist())
    assert seen == [float(value) for value in range(160) if value % 2]


def test_an_output_may_be_written_once_it_was_returned(rig: Any) -> None:
    out = np.empty((1, 40_000), np.float32)

    def work(batch: headrace_core.Batch) -> None:
        out[:] = batch.inputs["x"][0, 0]
        batch.complete({"y": out})
        out[:] = -1

    rig.open(work)
    for value in range(20):
        assert set(rig.ask(np.full((1, 1), value, np.float32)).ravel().tolist()) == {value}


def test_the_model_sees_which_callers_are_gone(rig: Any) -> None:
    started, go_on = threading.Event(), threading.Event()
    seen: list[list[bool]] = []

    def work(batch: headrace_core.Batch) -> None:
        if batch.inputs["x"][0, 0] < 0:
            seen.append(batch.live())
            started.set()
            go_on.wait(30)
            seen.append(batch.live())
        batch.complete({"y": batch.inputs["x"]})

    rig.open(work)
    tensor = tritonclient.grpc.InferInput("x", [1, 2], "FP32")
    tensor.set_data_from_numpy(-ONE)
    call = rig.client.async_infer("m", [tensor], callback=lambda result, error: None)
    assert started.wait(30)
    call.cancel()
    # The cancel travels on the same connection as the next request, before it.
    rig.client.is_server_live()
    go_on.set()
    assert rig.ask(ONE).tolist() == ONE.tolist()
    assert seen == [[True], [False]]
