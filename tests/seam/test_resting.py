"""Requests whose parts are made in other threads, and steps that are not made for nothing."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.seam.test_steps import LONG, Counter, parts, until

import headrace

Serve = Callable[..., Any]


class Elsewhere(Counter):
    """Counts in a thread for each request, as far as it is let."""

    def __init__(self) -> None:
        self.go_on = threading.Semaphore(0)
        self.steps = 0

    def step(self, sequences: Sequence[headrace.Sequence]) -> None:
        self.steps += 1
        for one in sequences:
            if one.state is None:
                one.state = []
                threading.Thread(target=self.count, args=(one,), daemon=True).start()
            while one.state and not one.is_paused:
                said = one.state.pop(0)
                if said is None:
                    one.end()
                    break
                one.emit(y=one.inputs["x"] + said)
            else:
                one.rest()
                if one.state:
                    one.wake()

    def count(self, one: headrace.Sequence) -> None:
        for said in range(one.inputs["n"].item()):
            assert self.go_on.acquire(timeout=LONG)
            one.state.append(said)
            one.wake()
        one.state.append(None)
        one.wake()


def test_what_is_made_elsewhere_is_sent_as_it_comes_and_nothing_is_stepped_meanwhile(
    serve: Serve,
) -> None:
    model = Elsewhere()
    served = serve(model)
    model.go_on.release()
    # Its head comes with the first part.
    reply = served.ask([5], 3)
    until(lambda: served.running() == (0, 1))

    def rests() -> bool:
        before = model.steps
        threading.Event().wait(0.1)
        return model.steps == before

    until(rests)  # for nobody has anything to say
    for _ in range(2):
        model.go_on.release()
    assert parts(reply) == [5, 6, 7]


def test_many_wake_each_other_and_none_is_forgotten(serve: Serve) -> None:
    model = Elsewhere()
    served = serve(model)
    for _ in range(32 * 20):
        model.go_on.release()
    replies = [served.ask([10 * number], 20) for number in range(32)]
    for number, reply in enumerate(replies):
        assert parts(reply) == [10 * number + said for said in range(20)]


def test_a_rest_is_for_the_time_of_a_step_and_to_wake_is_not(serve: Serve) -> None:
    told: list[BaseException] = []
    over = threading.Event()

    class Late(Counter):
        def step(self, sequences: Sequence[headrace.Sequence]) -> None:
            (one,) = sequences
            one.end()
            with pytest.raises(RuntimeError, match=r"rest\(\) of a sequence after its end\(\)"):
                one.rest()
            threading.Thread(target=self.after, args=(one,), daemon=True).start()

        def after(self, one: headrace.Sequence) -> None:
            until(lambda: served.running() == (0, 0))
            try:
                one.wake()
                one._parts.rest()
            except RuntimeError as error:
                told.append(error)
            over.set()

    served = serve(Late())
    assert parts(served.ask([1], 1)) == []
    assert over.wait(LONG)
    assert "come from the thread that the model is called in" in str(told[0])
