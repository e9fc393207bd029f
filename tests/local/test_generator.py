"""A real model that answers in parts: tokens do not depend on who else is at work."""

import random
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headrace.execution.opening import context, open_model
from headrace.execution.rehearsal import MadeUpSequence
from headrace.execution.stepping import Stepping, stepping
from headrace.models import Model
from headrace.repository.folder import find

GENERATOR = Path(__file__).parents[2] / "load_tests/batching/models/generator"


class Reader(MadeUpSequence):
    """A caller that keeps what it reads."""

    def __init__(self, number: int, model: Model, prompt: Sequence[int], most: int) -> None:
        given = {"prompt": np.array([prompt], np.int64), "max_tokens": np.array([[most]], np.int64)}
        super().__init__(number, given, model.outputs)
        self.tokens: list[int] = []

    def emit(self, outputs: Mapping[str, Any]) -> str | None:
        self.tokens.append(int(outputs["token"][0, 0]))
        return super().emit(outputs)


@pytest.fixture(scope="module")
def model() -> Model:
    (version,) = find(GENERATOR)
    model = open_model(version)
    model.load(context(version))
    return model


def at_work_with(model: Model) -> Stepping:
    def fail(core: Any, error: BaseException) -> None:
        raise error

    return stepping(model, "cpu", fail)


def asked(model: Model, count: int) -> list[Reader]:
    """Requests of different lengths; every third one throws dice of its own."""
    dice = random.Random(count)
    readers = []
    for number in range(count):
        prompt = [dice.randrange(97) for _ in range(dice.randint(1, 12))]
        one = Reader(number, model, prompt, dice.randint(1, 16))
        if number % 3 == 2:
            one.parameters = {"seed": number}
        readers.append(one)
    return readers


def alone(model: Model, count: int) -> list[list[int]]:
    """What each of them gets with nobody else at work."""
    readers = asked(model, count)
    for one in readers:
        at_work = at_work_with(model)
        at_work.join(one)
        while not one.has_ended:
            at_work.advance()
    return [one.tokens for one in readers]


@pytest.mark.parametrize("count", [1, 8, 32])
def test_tokens_are_those_of_one_request_alone(model: Model, count: int) -> None:
    readers, dice = asked(model, count), random.Random(count)
    at_work, waiting = at_work_with(model), list(readers)
    there: list[Reader] = []
    with torch.inference_mode():
        while waiting or there:
            for _ in range(min(len(waiting), dice.randint(0, 4))):
                there.append(waiting.pop(0))
                at_work.join(there[-1])
            for one in there:
                one.is_paused = dice.random() < 0.2
            at_work.advance()
            for one in [one for one in there if one.has_ended]:
                at_work.forget(one.number)
                there.remove(one)
    tokens = [one.tokens for one in readers]
    assert tokens == alone(model, count)
    assert [len(one) for one in tokens] == [one.inputs["max_tokens"].item() for one in readers]
    assert count == 1 or len({*map(tuple, tokens)}) > count // 2, "they say different things"


def test_what_was_heard_at_first_is_not_forgotten(model: Model) -> None:
    said = set()
    for first in range(8):
        one = Reader(first, model, [first, 50, 51, 52], 8)
        at_work = at_work_with(model)
        at_work.join(one)
        while not one.has_ended:
            at_work.advance()
        said.add(tuple(one.tokens))
    assert len(said) > 4, "else caches would not matter, and these tests would show nothing"
    assert all(len(set(tokens)) > 1 for tokens in said)


def test_a_caller_that_leaves_frees_its_cache(model: Model) -> None:
    at_work = at_work_with(model)
    one, other = Reader(1, model, [1, 2, 3], 50), Reader(2, model, [4, 5], 50)
    at_work.join(one)
    at_work.join(other)
    for _ in range(3):
        at_work.advance()
    caches = [weakref.ref(each.state.cache) for each in at_work._at_work.values()]  # type: ignore[attr-defined]
    at_work.forget(1)
    at_work.advance()
    assert [cache() is None for cache in caches] == [True, False]
    assert (len(one.tokens), len(other.tokens)) == (3, 4)


def test_what_is_no_prompt_is_rejected(model: Model) -> None:
    at_work = at_work_with(model)
    wrong = [Reader(1, model, [], 1), Reader(2, model, [97], 1), Reader(3, model, [-1], 1)]
    nothing = Reader(4, model, [1], 0)
    for one in [*wrong, nothing]:
        at_work.join(one)
    at_work.advance()
    assert ["expected" in one.rejected for one in wrong] == [True] * 3
    assert (nothing.has_ended, nothing.tokens, nothing.rejected) == (True, [], "")
