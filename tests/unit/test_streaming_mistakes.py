"""What a model that answers in parts may do wrong, and what it is told."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
import pytest
from tests.unit.steps_made_up import Caller, MadeUpStep, Steps, Streams, play

import headrace
from headrace import Model
from headrace.errors import ModelBroken
from headrace.execution import rehearsal

ONE = np.ones((1, 2), np.float32)


async def ended() -> AsyncIterator[Any]:
    return
    yield


@pytest.mark.parametrize(
    ("returned", "kind"), [({"y": 1}, "dict"), (None, "NoneType"), (ended(), "async_generator")]
)
def test_a_stream_that_returns_is_told_to_yield(returned: Any, kind: str) -> None:
    caller = Caller(1)
    play(Streams(lambda batch: returned), MadeUpStep([caller], [caller]))
    said = rf"stream\(\) should be a generator.* returned {kind}: write `yield` instead of `return`"
    assert re.search(said, caller.events[0])


def test_a_step_that_returns_is_told_to_emit() -> None:
    class Returns(Steps):
        def step(self, sequences: Sequence[headrace.Sequence]) -> Any:
            return {"y": 1}

    caller = Caller(1)
    failed = MadeUpStep([caller], [caller])
    play(Returns(lambda one: None), failed)
    assert "step() should return None and give each part to its sequence's emit()" in failed.over[0]
    assert "but it returned dict" in failed.over[0]


@pytest.mark.parametrize("end", ["end", "reject"])
@pytest.mark.parametrize("then", ["emit", "end", "reject"])
def test_what_follows_the_end_is_told_so(end: str, then: str) -> None:
    calls: dict[str, Callable[[headrace.Sequence], None]] = {
        "emit": lambda one: one.emit(y=ONE),
        "end": lambda one: one.end(),
        "reject": lambda one: one.reject("no"),
    }

    def act(one: headrace.Sequence) -> None:
        calls[end](one)
        with pytest.raises(RuntimeError, match=rf"{then}\(\) of a sequence after its {end}\(\)"):
            calls[then](one)

    caller = Caller(1)
    failed = MadeUpStep([caller], [caller])
    play(Steps(act), failed)
    assert (failed.over, caller.sent) == (["finished"], [])


def test_a_reason_is_a_text_and_ends_nothing_if_it_is_none() -> None:
    def act(one: headrace.Sequence) -> None:
        with pytest.raises(TypeError, match=r"takes why, a text .* and not None"):
            one.reject(None)  # type: ignore[arg-type]
        one.end()

    caller = Caller(1)
    play(Steps(act), MadeUpStep([caller], [caller]))
    assert (caller.has_ended, caller.rejected) == (True, "")


def test_a_part_that_was_not_declared_is_told_where_it_is_sent() -> None:
    told: list[str] = []

    def act(one: headrace.Sequence) -> None:
        with pytest.raises(ModelBroken) as error:
            one.emit(z=1)
        told.append(str(error.value))

    caller = Caller(1)
    play(Steps(act), MadeUpStep([caller], [caller]))
    assert told == ["model 'm' version 1 declared outputs ['y'], but returned ['z']"]


def test_a_generator_that_yields_no_dict_is_told_so() -> None:
    caller = Caller(1)
    play(Streams(lambda batch: iter([None])), MadeUpStep([caller], [caller]))
    assert "stream() should yield a dict of output name to array, not NoneType" in caller.events[0]


@pytest.mark.parametrize("way", ["step", "stream"])
def test_a_rehearsal_says_what_is_wrong(way: str) -> None:
    models: dict[str, Model] = {
        "step": Steps(lambda one: one.emit(z=1)),
        "stream": Streams(lambda batch: iter([{"z": 1}])),
    }
    with pytest.raises(ModelBroken, match=r"declared outputs \['y'\], but returned \['z'\]"):
        rehearsal.run(models[way], "cpu", 1, lambda: 0.0)
