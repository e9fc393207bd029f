import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from headrace import Batch, Context, Model, Tensor
from headrace.errors import ModelBroken
from headrace.execution import lanes, trial
from headrace.execution.device.host import Host, HostLane
from headrace.execution.outputs import verify
from headrace.execution.passage import Passage
from headrace.execution.voices import Line

Y = Tensor("y", "FP32", [2])


class Recorder(Model):
    inputs = (Tensor("x", "FP32", (2,)),)
    outputs = (Y,)

    def __init__(self, act: Callable[[Batch], Any]) -> None:
        self.act = act

    def load(self, context: Context) -> None: ...

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        returned: Mapping[str, Any] = self.act(batch)
        return returned


class SealedBatch(trial.MadeUpRows):
    """A batch that remembers how it was settled; the core's own is met in tests/integration."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(2, {"x": np.ones((2, 2), np.float32)})
        self.wrong = wrong
        self.settled: list[Any] = []

    def complete(self, outputs: Mapping[str, Any]) -> str | None:
        self.settled.append(outputs)
        return self.wrong

    def fail(self, message: str) -> None:
        self.settled.append(message)

    def run_out(self, message: str) -> str:
        self.settled.append(f"out of memory: {message}")
        return "none has more than 1"

    def enter(self) -> bool:
        return True

    def launched(self) -> None: ...

    def leave(self) -> None: ...


def work(act: Callable[[Batch], Any], lines: list[Line], **more: Any) -> lanes.Work:
    facts: dict[str, Any] = {
        "label": "photos/1",
        "model": Recorder(act),
        "device": Host(),
        "intake": None,
        "sink": lines.append,
        "error_id": lambda: "e-1",
        **more,
    }
    return lanes.Work(**facts)


def answer(shared: lanes.Work, batch: SealedBatch) -> None:
    lanes.answer(shared, Passage(shared.label, shared.model, HostLane()), batch)


def test_a_batch_is_completed_with_what_the_model_returns() -> None:
    lines: list[Line] = []
    batch = SealedBatch()
    answer(work(lambda given: {"y": given["x"]}, lines), batch)
    assert [list(one) for one in batch.settled] == [["y"]]
    assert not lines


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no"), "model 'photos' version 1 raised ValueError: no"),
        (SystemExit(3), "model 'photos' version 1 raised SystemExit: 3"),
        (KeyboardInterrupt(), "model 'photos' version 1 raised KeyboardInterrupt"),
        (ValueError("x" * 5000), "raised ValueError: " + "x" * 1000 + "…"),
    ],
)
def test_whatever_a_model_raises_its_callers_get_an_id_that_the_log_has(
    error: BaseException, said: str
) -> None:
    def act(batch: Batch) -> Any:
        raise error

    lines: list[Line] = []
    batch = SealedBatch()
    answer(work(act, lines), batch)
    (message,) = batch.settled
    assert said in message
    assert message.endswith(" [error id e-1]")
    (line,) = lines
    assert (line.speaker, line.error) == ("photos/1", "e-1")
    assert line.text.startswith("Traceback")


def test_a_batch_that_ran_out_of_memory_is_left_to_the_core_and_lets_go_of_what_it_had() -> None:
    class Large:
        pass

    held: list[weakref.ref[Large]] = []

    def act(batch: Batch) -> Any:
        large = Large()
        held.append(weakref.ref(large))
        raise MemoryError("2 GiB")

    class Settled(SealedBatch):
        def run_out(self, message: str) -> str:
            assert held[0]() is None, "it is freed before the batch may run again"
            return super().run_out(message)

    lines: list[Line] = []
    batch = Settled()
    answer(work(act, lines), batch)
    (message,) = batch.settled
    assert message.startswith("out of memory: model 'photos' version 1 raised MemoryError")
    assert [line.text for line in lines[:1]] == ["none has more than 1"]


def test_a_model_says_itself_what_running_out_of_memory_is() -> None:
    class Own(Recorder):
        def is_out_of_memory(self, error: BaseException) -> bool:
            return "no room" in str(error)

    def act(batch: Batch) -> Any:
        raise RuntimeError("no room on the device")

    batch = SealedBatch()
    answer(work(act, [], model=Own(act)), batch)
    assert batch.settled[0].startswith("out of memory: ")
    batch = SealedBatch()
    answer(work(act, []), batch)
    assert not batch.settled[0].startswith("out of memory: ")


def test_outputs_that_the_core_refuses_are_logged() -> None:
    lines: list[Line] = []
    answer(work(lambda batch: {"z": 1}, lines), SealedBatch("declared y, returned z"))
    assert [line.text for line in lines] == ["declared y, returned z"]


def test_a_lane_ends_when_its_version_is_closed() -> None:
    class Intake:
        batches: list[SealedBatch | None] = [SealedBatch(), SealedBatch(), None]  # noqa: RUF012

        def next_batch(self, lane: int) -> SealedBatch | None:
            return self.batches.pop(0)

    done = Intake.batches[:2]
    shared = work(lambda batch: {"y": batch["x"]}, [], intake=Intake())
    (thread,) = lanes.start(shared, 1)
    thread.join(10)
    assert not thread.is_alive()
    assert [len(one.settled) for one in done if one] == [1, 1]


class Unsayable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("half \ud83d"), "raised ValueError: half \\ud83d [error id e-1]"),
        (Unsayable(), "raised Unsayable: [its text raised RuntimeError] [error id e-1]"),
    ],
)
def test_callers_are_answered_in_text_that_the_core_takes(error: Exception, said: str) -> None:
    def act(batch: Batch) -> Any:
        raise error

    lines: list[Line] = []
    batch = SealedBatch()
    answer(work(act, lines), batch)
    (message,) = batch.settled
    assert message.encode().decode().endswith(said)
    assert lines[0].error == "e-1"


def test_a_log_that_fails_keeps_no_caller_waiting_and_ends_no_lane() -> None:
    class Intake:
        def __init__(self) -> None:
            self.batches = [SealedBatch(), SealedBatch("not what was declared"), SealedBatch()]
            self.done = list(self.batches)

        def next_batch(self, lane: int) -> SealedBatch | None:
            return self.batches.pop(0) if self.batches else None

    def full(line: Line) -> None:
        raise OSError("no space left on device")

    intake = Intake()
    outcomes = iter([ValueError("no"), None, None])

    def act(batch: Batch) -> Any:
        if error := next(outcomes):
            raise error
        return {"y": batch["x"]}

    lanes.run_lane(work(act, [], intake=intake, sink=full), 0)
    assert [len(one.settled) for one in intake.done] == [1, 1, 1]


def test_error_ids_differ() -> None:
    ids = {lanes.new_error_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(one.startswith("e-") for one in ids)


@pytest.mark.parametrize("datatype", ["BOOL", "UINT8", "INT64", "FP16", "FP32", "BF16", "BYTES"])
def test_inputs_are_made_up_for_every_datatype(datatype: str) -> None:
    made_up = trial.make_up(Tensor("x", datatype, [3, -1]), 2)
    assert made_up.shape == (2, 3, trial.ANY_SIZE)
    verify([Tensor("x", datatype, [3, -1])], 2, {"x": made_up})
    if datatype != "BYTES":
        assert not made_up.flags.writeable


def test_an_example_is_used_and_checked() -> None:
    model = Recorder(lambda batch: {"y": batch["x"]})
    model.example = lambda rows: {"x": np.ones((rows, 2), np.float32)}  # type: ignore[method-assign]
    passage = Passage("m/1", model, HostLane())
    assert trial.run(passage, 5, iter([1.0, 3.5]).__next__).seconds == 2.5
    model.example = lambda rows: {"x": np.ones((rows, 3), np.float32)}  # type: ignore[method-assign]
    with pytest.raises(ModelBroken, match=r"give input 'x' as FP32\[1, 2\], but returned FP32"):
        trial.inputs(model, 1)
    model.example = lambda rows: {"z": 1}  # type: ignore[method-assign]
    with pytest.raises(ModelBroken, match=r"example\(\) returned inputs \['z'\]"):
        trial.inputs(model, 1)


@pytest.mark.parametrize(
    ("size", "given", "said"),
    [
        (2, [b"a", "b", b"c", b"d"], None),
        (2, np.array([["a", "b"], ["c", "d"]], dtype=object), None),
        (-1, [b"a", b"b", b"c", b"d"], None),
        (2, [b"a", b"b", b"c"], r"as BYTES\[2, 2\], but returned BYTES\[3\]"),
        (-1, [b"a", b"b", b"c"], r"as BYTES\[2, -1\], but returned BYTES\[3\]"),
        (2, [1, 2, 3, 4], "as bytes or str, row by row"),
        (2, 4, "as bytes or str, row by row"),
    ],
)
def test_an_example_of_bytes_has_the_declared_count(size: int, given: Any, said: str) -> None:
    model = Recorder(lambda batch: {})
    model.inputs = (Tensor("x", "BYTES", [size]),)
    model.example = lambda rows: {"x": given}  # type: ignore[method-assign]
    if said:
        with pytest.raises(ModelBroken, match=said):
            trial.inputs(model, 2)
    else:
        made = trial.inputs(model, 2)["x"]
        assert (made.shape, b"".join(made)) == ((2, 2), b"abcd")
