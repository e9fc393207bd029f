"""Models that answer in parts, on steps that were made up; the core's own are met in tests/seam."""

import gc
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import headrace
from headrace import Batch, Context, Model, Tensor
from headrace.errors import ModelBroken
from headrace.execution import lanes, rehearsal, steps
from headrace.execution.rehearsal import MadeUpSequence
from headrace.execution.voices import Line

ONE = np.ones((1, 2), np.float32)


class Caller(MadeUpSequence):
    """A sequence that remembers what was sent to it."""

    def __init__(self, number: int, *, is_paused: bool = False) -> None:
        super().__init__(number, {"x": np.full((1, 2), number, np.float32)}, Echo.outputs)
        self.is_paused = is_paused
        self.sent: list[float] = []
        self.events: list[str] = []

    def emit(self, outputs: Mapping[str, Any]) -> str | None:
        try:
            super().emit(outputs)
        except ModelBroken as error:
            return f"model 'm' version 1 {error}"
        self.sent.append(float(outputs["y"][0, 0]))
        self.events.append("part")
        return None

    def flush(self) -> None:
        self.events.append("flush")

    def fail(self, message: str) -> None:
        super().fail(message)
        self.events.append(message)


class MadeUpStep:
    """A step of these; ends those that the model ended."""

    def __init__(
        self, joined: Sequence[Caller], all_of_them: Sequence[Caller], left: Sequence[int] = ()
    ) -> None:
        self.left = left
        self.rows = sum(not one.is_paused for one in all_of_them)
        self.over: list[str] = []
        self._joined = joined
        self._all = all_of_them

    def joined(self) -> Sequence[Caller]:
        return self._joined

    def finish(self) -> Sequence[int]:
        self.over.append("finished")
        return [one.number for one in self._all if one.has_ended]

    def fail(self, message: str) -> Sequence[int]:
        self.over.append(message)
        return [one.number for one in self._all]


class Echo(Model):
    inputs = (Tensor("x", "FP32", [2]),)
    outputs = (Tensor("y", "FP32", [2]),)

    def load(self, context: Context) -> None: ...


class Steps(Echo):
    """Does as it is told, and remembers who was there."""

    def __init__(self, act: Callable[[headrace.Sequence], None]) -> None:
        self.act = act
        self.there: list[list[float]] = []

    def step(self, sequences: Sequence[headrace.Sequence]) -> None:
        self.there.append([float(one.inputs["x"][0, 0]) for one in sequences])
        for one in sequences:
            self.act(one)


class Streams(Echo):
    def __init__(self, act: Callable[[Batch], Iterator[Any]]) -> None:
        self.act = act

    def stream(self, batch: Batch) -> Iterator[Mapping[str, Any]]:
        return self.act(batch)


def play(model: Model, *played: MadeUpStep) -> list[Line]:
    """Have the lane run these steps; the log."""

    class Intake:
        def __init__(self) -> None:
            self.left = list(played)

        def next_step(self) -> MadeUpStep | None:
            return self.left.pop(0) if self.left else None

    lines: list[Line] = []
    intake: Any = Intake()
    work = lanes.Work("m/1", model, "cpu", intake, lines.append, lambda: "e-1")
    steps.run_steps(work, 0)
    assert all(len(one.over) == 1 for one in played)
    return lines


def test_a_step_sees_all_at_work_and_what_the_model_keeps_of_them() -> None:
    def count(one: headrace.Sequence) -> None:
        one.state = (one.state or 0) + 1
        one.emit(y=one.inputs["x"] * one.state)
        if one.state == 2:
            one.end()

    model = Steps(count)
    first, second = Caller(1), Caller(2)
    lines = play(
        model,
        MadeUpStep([first], [first]),
        MadeUpStep([second], [first, second]),
        MadeUpStep([], [second]),
    )
    assert model.there == [[1.0], [1.0, 2.0], [2.0]]
    assert (first.sent, second.sent) == ([1.0, 2.0], [2.0, 4.0])
    assert (first.has_ended, second.has_ended, lines) == (True, True, [])


def test_what_a_model_keeps_goes_with_who_leaves() -> None:
    class Cache:
        pass

    kept: list[weakref.ref[Cache]] = []

    def keep(one: headrace.Sequence) -> None:
        if one.state is None:
            one.state = Cache()
            kept.append(weakref.ref(one.state))
        else:
            seen.append([cache() is not None for cache in kept])

    seen: list[list[bool]] = []
    callers = [Caller(1), Caller(2)]
    play(
        Steps(keep),
        MadeUpStep(callers, callers),
        MadeUpStep([], callers[1:], left=[1]),
    )
    assert seen == [[False, True]], "before the next step, and without a collection"
    gc.collect()
    assert kept[1]() is None


def test_there_is_no_step_of_nobody() -> None:
    model = Steps(lambda one: None)
    caller = Caller(1)
    play(model, MadeUpStep([caller], [caller]), MadeUpStep([], [], left=[1]))
    assert len(model.there) == 1


def test_what_a_step_raises_ends_all_and_has_an_id_that_the_log_has() -> None:
    def act(one: headrace.Sequence) -> None:
        raise ValueError("no")

    model = Steps(act)
    callers = [Caller(1), Caller(2)]
    failed = MadeUpStep(callers, callers)
    later = Caller(3)
    lines = play(model, failed, MadeUpStep([later], [later]))
    said = "model 'm' version 1 raised ValueError: no [error id e-1]"
    assert failed.over == [said]
    assert [one.error for one in lines] == ["e-1", "e-1"]
    assert model.there == [[1.0, 2.0], [3.0]], "they are in no later step"


def test_a_part_that_was_not_declared_is_told_where_it_is_sent() -> None:
    told: list[str] = []

    def act(one: headrace.Sequence) -> None:
        with pytest.raises(ModelBroken) as error:
            one.emit(z=1)
        told.append(str(error.value))

    caller = Caller(1)
    play(Steps(act), MadeUpStep([caller], [caller]))
    assert told == ["model 'm' version 1 declared outputs ['y'], but returned ['z']"]


def test_generators_take_turns_and_each_part_goes_at_once() -> None:
    order: list[float] = []

    def act(batch: Batch) -> Iterator[Any]:
        for _ in range(2):
            order.append(float(batch["x"][0, 0]))
            yield {"y": batch["x"]}

    callers = [Caller(1), Caller(2)]
    play(
        Streams(act),
        MadeUpStep(callers, callers),
        MadeUpStep([], callers),
        MadeUpStep([], callers),
    )
    assert order == [1.0, 2.0, 1.0, 2.0]
    assert [one.events for one in callers] == [["part", "flush"] * 2] * 2
    assert all(one.has_ended for one in callers)


def test_what_a_generator_raises_ends_its_own_request_alone() -> None:
    def act(batch: Batch) -> Iterator[Any]:
        if batch["x"][0, 0] == 1:
            raise ValueError("no")
        yield {"z": 1} if batch["x"][0, 0] == 2 else {"y": batch["x"]}

    callers = [Caller(1), Caller(2), Caller(3), Caller(4)]
    lines = play(Streams(act), MadeUpStep(callers, callers), MadeUpStep([], callers[2:]))
    assert callers[0].events == ["model 'm' version 1 raised ValueError: no [error id e-1]"]
    said = "model 'm' version 1 declared outputs ['y'], but returned ['z'] [error id e-1]"
    assert callers[1].events == [said]
    assert [one.sent for one in callers[2:]] == [[3.0], [4.0]]
    assert len(lines) == 2


def test_a_generator_that_yields_no_dict_is_told_so() -> None:
    caller = Caller(1)
    play(Streams(lambda batch: iter([None])), MadeUpStep([caller], [caller]))
    assert "stream() should yield a dict of output name to array, not NoneType" in caller.events[0]


def test_a_generator_is_closed_when_its_caller_leaves_and_waits_while_it_is_paused() -> None:
    events: list[str] = []

    def act(batch: Batch) -> Iterator[Any]:
        try:
            while True:
                events.append("part")
                yield {"y": batch["x"]}
        finally:
            events.append("closed")
            raise ValueError("while it is closed")

    caller, other = Caller(1), Caller(2)
    first, second = MadeUpStep([caller, other], [caller, other]), MadeUpStep([], [other])
    second.left = [1]
    other.is_paused = True
    lines = play(Streams(act), first, second)
    assert events == ["part", "closed"]
    assert second.over == ["finished"], "it concerns no other"
    assert "while it is closed" in lines[0].text


def test_a_request_is_rejected_by_its_generator() -> None:
    def act(batch: Batch) -> Iterator[Any]:
        with pytest.raises(IndexError):
            batch.reject(1, "no such row")
        batch.reject(0, "no such word")
        assert batch.live() == [False]
        yield {"y": batch["x"]}

    caller = Caller(1)
    play(Streams(act), MadeUpStep([caller], [caller]))
    assert (caller.rejected, caller.events) == ("no such word", [])


def test_a_rehearsal_ends_with_its_requests_or_after_enough_steps() -> None:
    def act(one: headrace.Sequence) -> None:
        one.state = (one.state or 0) + 1
        one.emit(y=np.asarray(one.inputs["x"]))
        if one.state == 3:
            one.end()

    clock = iter([0.0, 1.0, 2.0, 5.0, 6.0, 7.0]).__next__
    trial = rehearsal.run(Steps(act), "cpu", 4, clock)
    assert (trial.rows, trial.steps, trial.seconds, trial.parts) == (4, 3, 3.0, 12)
    endless = rehearsal.run(Steps(lambda one: None), "cpu", 2, lambda: 0.0)
    assert (endless.steps, endless.parts) == (rehearsal.MOST_STEPS, 0)


@pytest.mark.parametrize("way", ["step", "stream"])
def test_a_rehearsal_says_what_is_wrong(way: str) -> None:
    models: dict[str, Model] = {
        "step": Steps(lambda one: one.emit(z=1)),
        "stream": Streams(lambda batch: iter([{"z": 1}])),
    }
    with pytest.raises(ModelBroken, match=r"declared outputs \['y'\], but returned \['z'\]"):
        rehearsal.run(models[way], "cpu", 1, lambda: 0.0)
