"""Steps of a model that answers in parts, made up; and models that do as they are told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import headrace
from headrace import Batch, Context, Model, Tensor
from headrace.errors import ModelBroken
from headrace.execution import lanes, steps
from headrace.execution.device.host import Host
from headrace.execution.rehearsal import MadeUpSequence
from headrace.execution.voices import Line


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
    work = lanes.Work("m/1", model, Host(), intake, lines.append, error_id=lambda: "e-1")
    steps.run_steps(work, 0)
    assert all(len(one.over) == 1 for one in played)
    return lines
