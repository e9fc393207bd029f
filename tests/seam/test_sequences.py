"""Sequences, as the core hands them to a model and keeps what it keeps of them."""

import json
import threading
import weakref
from collections.abc import Callable
from typing import Any

import headrace_core
import numpy as np
import pytest
import tritonclient.grpc
from tests.seam.conftest import LONG, Rig

Facts = tuple[int | str, bool, bool, bool]


class Kept:
    """What can be seen to be let go."""


def contract(**sequences: Any) -> str:
    tensors = [{"name": "x", "datatype": "INT64", "shape": [1]}]
    controls = [
        {"kind": kind, "tensor": {"name": kind, "datatype": datatype, "shape": [1]}}
        for kind, datatype in (("ready", "FP32"), ("id", "BYTES"), ("start", "INT32"))
    ]
    return json.dumps(
        {
            "model": "m",
            "version": 1,
            "platform": "python",
            "inputs": tensors,
            "outputs": tensors,
            "batching": {"max_rows": 8, "allowed_rows": [2, 8]},
            "sequences": {"idle_ms": 60_000, "max_sequences": 8, "controls": controls, **sequences},
        }
    )


def ask(rig: Rig, name: int | str, start: bool = False, end: bool = False) -> None:
    tensor = tritonclient.grpc.InferInput("x", [1, 1], "INT64")
    tensor.set_data_from_numpy(np.array([[3]]))
    rig.client.infer("m", [tensor], sequence_id=name, sequence_start=start, sequence_end=end)


def serve(rig: Rig, look: Callable[[headrace_core.Batch], None], **sequences: Any) -> None:
    def work(batch: headrace_core.Batch) -> None:
        try:
            look(batch)
            batch.complete({"x": np.zeros((batch.rows, 1), np.int64)})
        except BaseException as error:
            batch.fail(repr(error))

    rig.carry(contract(**sequences), work, model="m", lanes=1)


@pytest.mark.parametrize("strategy", ["oldest", "direct"])
def test_each_row_says_whose_it_is(rig: Rig, strategy: str) -> None:
    seen: list[list[Facts]] = []
    inputs: list[dict[str, Any]] = []

    def look(batch: headrace_core.Batch) -> None:
        seen.append([(one.id, one.start, one.end, one.ready) for one in batch.sequences])
        given = batch.inputs
        inputs.append(
            {name: given[name].ravel().tolist() for name in ("x", "ready", "start")}
            | {"id": [bytes(one) for one in given["id"]]}
        )

    serve(rig, look, strategy=strategy)
    ask(rig, "a", start=True)
    ask(rig, 7, start=True, end=True)
    nobody: Facts = (0, False, False, False)
    second: list[Facts] = [(7, True, True, True), nobody]
    if strategy == "direct":
        second.reverse()
    assert seen == [[("a", True, False, True), nobody], second]
    at = seen[1].index((7, True, True, True))
    assert inputs[1]["ready"][at] == 1.0
    assert (inputs[1]["ready"][1 - at], inputs[1]["start"][1 - at]) == (0.0, 0)
    assert (inputs[1]["id"][at], inputs[1]["id"][1 - at]) == (b"7", b"")
    assert inputs[1]["x"] == [3, 3], "a row that is nobody's is a copy of another"
    ask(rig, "a", end=True)  # or the end of the gateway waits for it


def test_what_a_model_keeps_lives_as_long_as_its_sequence(rig: Rig) -> None:
    kept: list[weakref.ref[Kept]] = []
    states: list[Any] = []

    def look(batch: headrace_core.Batch) -> None:
        one, nobody = batch.sequences
        states.append(one.state)
        if one.state is None:
            one.state = Kept()
            kept.append(weakref.ref(one.state))
        nobody.state = Kept()
        assert nobody.state is None, "nobody keeps anything"

    serve(rig, look)
    ask(rig, 1, start=True)
    ask(rig, 1)
    assert states[0] is None
    assert states.pop() is kept[0]() is not None
    ask(rig, 1, start=True)
    assert states.pop() is None, "it began anew"
    assert kept[0]() is None
    assert kept[1]() is not None
    ask(rig, 1, end=True)
    states.clear()
    # The lane lets go when it looks for the next batch.
    ask(rig, 2, start=True, end=True)
    assert kept[1]() is None
    assert len(kept) == 3


def test_what_is_kept_may_be_anything_and_is_let_go_without_a_request(rig: Rig) -> None:
    gone = threading.Event()

    def look(batch: headrace_core.Batch) -> None:
        kept = Kept()
        weakref.finalize(kept, gone.set)
        batch.sequences[0].state = [kept, {"of": np.ones(3)}]

    serve(rig, look, idle_ms=50)
    ask(rig, 1, start=True)
    assert gone.wait(LONG), "a timer forgets it, and nobody asks anything"


def test_a_batch_that_was_answered_says_nothing_more(rig: Rig) -> None:
    batches: list[headrace_core.Batch] = []
    serve(rig, batches.append)
    ask(rig, 1, start=True, end=True)
    with pytest.raises(ValueError, match="the batch is settled"):
        _ = batches[0].sequences
