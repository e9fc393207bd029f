"""Answers in parts, through the real core: a gateway, a host, and the lane that steps."""

import http.client
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import headrace
from headrace import Batch, Context, Model, Tensor

#: Seconds that a test waits for what comes at once.
LONG = 30


class Counter(Model):
    """Counts from x to x + n - 1, a part each; does besides what it is told."""

    inputs = (Tensor("x", "INT64", [-1]), Tensor("n", "INT64", [1]))
    outputs = (Tensor("y", "INT64", [-1]),)

    def load(self, context: Context) -> None: ...


class Steps(Counter):
    def __init__(self, before: Callable[[Sequence[headrace.Sequence]], None]) -> None:
        self.before = before
        #: Of each step: who was there, and who could emit.
        self.there: list[tuple[int, int]] = []

    def step(self, sequences: Sequence[headrace.Sequence]) -> None:
        ready = [one for one in sequences if not one.is_paused]
        self.there.append((len(sequences), len(ready)))
        self.before(sequences)
        for one in ready:
            said = one.state or 0
            if said < one.inputs["n"].item():
                one.emit(y=one.inputs["x"] + said)
                one.state = said + 1
            else:
                one.end()


class Streams(Counter):
    def __init__(self, act: Callable[[Batch], Iterator[Mapping[str, Any]]]) -> None:
        self.act = act

    def stream(self, batch: Batch) -> Iterator[Mapping[str, Any]]:
        return self.act(batch)


#: Opens a version: see conftest.
Serve = Callable[..., Any]


def parts(reply: http.client.HTTPResponse) -> list[Any]:
    """Read to the end: y of each part, or the error."""
    told = reply.read()
    assert reply.status == 200, told
    events = [line for line in told.decode().split("\n") if line]
    facts = [json.loads(one.removeprefix("data: ")) for one in events]
    return [one.get("error", one.get("y")) for one in facts]


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not reached():
        assert time.monotonic() < end
        threading.Event().wait(0.002)


@pytest.mark.parametrize("way", ["step", "stream"])
@pytest.mark.parametrize("count", [1, 8, 64])
def test_everybody_gets_all_parts_of_their_own_in_order(serve: Serve, way: str, count: int) -> None:
    def act(batch: Batch) -> Iterator[Mapping[str, Any]]:
        for said in range(batch["n"].item()):
            yield {"y": batch["x"] + said}

    served = serve(Steps(lambda _: None) if way == "step" else Streams(act))
    with ThreadPoolExecutor(count) as pool:
        told = list(pool.map(lambda x: parts(served.ask([100 * x], x % 7 * 9)), range(count)))
    assert told == [[100 * x + said for said in range(x % 7 * 9)] for x in range(count)]
    assert served.running() == (0, 0)
    assert not served.lines


def test_steps_are_counted_with_the_rows_that_could_emit(serve: Serve) -> None:
    model = Steps(lambda _: None)
    served = serve(model)
    parts(served.ask([1], 5))
    parts(served.ask([1], 2))
    until(
        lambda: served.counted('headrace_batches_total{model="m",version="1",sealed="step"}') == 9
    )
    assert model.there == [(1, 1)] * 9
    assert served.counted('headrace_batch_rows_sum{model="m",version="1"}') == 9
    assert served.counted('nv_inference_exec_count{model="m",version="1"}') == 9
    assert served.counted('nv_inference_request_success{model="m",version="1"}') == 2


def test_no_more_is_at_work_than_max_cost(serve: Serve) -> None:
    most = []

    def measure(sequences: Sequence[headrace.Sequence]) -> None:
        most.append(sum(one.inputs["x"].size + one.inputs["n"].item() for one in sequences))

    cost = [{"elements": "x"}, {"value": "n"}]
    served = serve(Steps(measure), {"max_cost": 40, "cost": cost})
    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(lambda n: len(parts(served.ask([1] * n, n))), range(1, 21)))
    assert told == list(range(1, 21))
    assert 30 < max(most) <= 40
    reply = served.ask([1] * 21, 20)
    assert reply.status == 400
    assert b"the request costs 41, but model 'm' takes requests that cost at" in reply.read()


def test_a_caller_that_leaves_is_gone_from_the_next_step_with_its_state(serve: Serve) -> None:
    class Cache:
        pass

    class Keeper(Counter):
        kept: list[weakref.ref[Cache]] = []  # noqa: RUF012

        def step(self, sequences: Sequence[headrace.Sequence]) -> None:
            for one in sequences:
                if one.state is None:
                    one.state = Cache()
                    self.kept.append(weakref.ref(one.state))
                one.emit(y=one.inputs["x"])
            threading.Event().wait(0.001)

    model = Keeper()
    served = serve(model)
    leaver, stayer = served.ask([1], 1), served.ask([2], 1)
    for one in (leaver, stayer):
        one.readline()
    leaver.close()
    until(lambda: served.running() == (0, 1))
    until(lambda: model.kept[0]() is None)
    assert model.kept[1]() is not None
    stayer.close()
    until(lambda: served.running() == (0, 0) and model.kept[1]() is None)


def test_a_reader_that_is_slow_keeps_nobody_else(serve: Serve) -> None:
    model = Steps(lambda _: None)
    served = serve(model)
    wide = [7] * 20_000
    slow = served.ask(wide, 400)
    until(lambda: model.there[-1:] == [(1, 1)] and served.counted("headrace_stream_parts") > 16)

    def rests() -> bool:
        before = len(model.there)
        threading.Event().wait(0.2)
        return len(model.there) == before

    until(rests)
    assert served.running() == (0, 1), "all are paused, and the model is left alone"
    assert parts(served.ask([5], 3)) == [5, 6, 7]
    assert (2, 1) in model.there
    told = parts(slow)
    assert len(told) == 400
    assert [one[0] for one in told] == list(range(7, 407))


def test_what_a_step_raises_is_told_with_an_id_and_the_next_is_served(serve: Serve) -> None:
    def raises(sequences: Sequence[headrace.Sequence]) -> None:
        if any(one.inputs["x"][0, 0] == 666 and one.state == 2 for one in sequences):
            raise ValueError("the number of the beast")

    served = serve(Steps(raises))
    *told, error = parts(served.ask([666], 9))
    assert told == [666, 667]
    assert "model 'm' version 1 raised ValueError: the number of the beast [error id e-" in error
    until(lambda: [one.error in error for one in served.lines] == [True])
    assert parts(served.ask([1], 2)) == [1, 2]


def test_what_a_generator_raises_is_its_own(serve: Serve) -> None:
    together = threading.Barrier(2)

    def act(batch: Batch) -> Iterator[Mapping[str, Any]]:
        for said in range(5):
            if batch["x"][0, 0] == 666 and said == 2:
                raise ValueError("the number of the beast")
            yield {"y": batch["x"] + said}

    served = serve(Streams(act))

    def ask(x: int) -> list[Any]:
        together.wait(LONG)
        return parts(served.ask([x], 5))

    with ThreadPoolExecutor(2) as pool:
        bad, good = pool.map(ask, [666, 1])
    assert (bad[:2], good) == ([666, 667], [1, 2, 3, 4, 5])
    assert "the number of the beast" in bad[2]


def test_a_model_that_speaks_out_of_turn_hears_of_it(serve: Serve) -> None:
    kept: list[headrace.Sequence] = []
    served = serve(Steps(kept.extend))
    parts(served.ask([1], 1))
    with pytest.raises(RuntimeError, match=r"emit\(\) of a sequence after its end\(\)"):
        kept[0].emit(y=np.zeros((1, 1), np.int64))


def test_another_thread_of_a_model_hears_that_it_is_not_listened_to(serve: Serve) -> None:
    def elsewhere(sequences: Sequence[headrace.Sequence]) -> None:
        one = sequences[0]
        part = {"y": np.zeros((1, 1), np.int64)}
        for say in (lambda: one.emit(**part), one.end, lambda: one.reject("no")):
            with (
                ThreadPoolExecutor(1) as pool,
                pytest.raises(RuntimeError, match="from the thread"),
            ):
                pool.submit(say).result(LONG)

    served = serve(Steps(elsewhere))
    assert parts(served.ask([1], 2)) == [1, 2]


def slowly(sequences: Sequence[headrace.Sequence]) -> None:
    threading.Event().wait(0.01)


def test_a_drain_ends_who_takes_longer(serve: Serve) -> None:
    served = serve(Steps(slowly))
    reply = served.ask([1], 10_000)
    reply.readline()
    assert not served.host.drain(0.2)
    assert "shutting down" in parts(reply)[-1]


def test_a_model_that_does_not_return_from_a_step_is_given_up(serve: Serve) -> None:
    go_on = threading.Event()

    def hangs(sequences: Sequence[headrace.Sequence]) -> None:
        go_on.wait(LONG)

    served = serve(Steps(hangs), hang_timeout_s=0.3)
    reply = served.ask([1], 1)
    assert reply.status == 500
    assert b"did not return from a step within 0.3 s and was given up" in reply.read()
    report = json.loads(str(served.host.next_hang()))
    assert (report["model"], report["rows"], report["limit_s"]) == ("m", 1, 0.3)
    go_on.set()
    served.threads[0].join(LONG)
    assert not served.threads[0].is_alive()


def test_a_drain_lets_who_is_at_work_finish(serve: Serve) -> None:
    served = serve(Steps(slowly))
    reply = served.ask([1], 30)
    reply.readline()
    assert served.shut()
    assert parts(reply) == list(range(2, 31))
