"""Models that answer in parts, on steps that were made up; the core's own are met in tests/seam."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.unit.steps_made_up import Caller, MadeUpStep, Steps, Streams, play

import headrace
from headrace import Batch
from headrace.execution import rehearsal


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
