"""Callers share batches, and each gets its own rows; versions come, change and go."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import headrace_core
import numpy as np
import pytest


def test_callers_get_their_own_rows(rig: Any) -> None:
    sizes: list[int] = []

    def work(batch: headrace_core.Batch) -> None:
        sizes.append(batch.rows)
        x = batch.inputs["x"]
        assert len(x) == batch.rows == len(batch.live())
        batch.complete({"y": x * 2 + 1})

    rig.open(work, lanes=2, batching={"max_delay_ms": 1.0})

    def caller(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(30):
            sent = np.array(
                [[dice.randrange(1 << 20) for _ in range(3)] for _ in range(dice.randint(1, 5))],
                np.float32,
            )
            assert np.array_equal(rig.ask(sent), sent * 2 + 1)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(caller, range(16)))
    assert max(sizes) <= 8
    assert max(sizes) > 5, "callers did not share batches"


def test_calls_of_other_shapes_run_in_other_batches(rig: Any) -> None:
    rig.open(lambda batch: batch.complete({"y": batch.inputs["x"]}), batching={"max_delay_ms": 1.0})

    def caller(width: int) -> None:
        for _ in range(20):
            sent = np.full((1, width), width, np.float32)
            assert np.array_equal(rig.ask(sent), sent)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(caller, range(1, 7)))


def test_batches_have_the_sizes_that_are_allowed(rig: Any) -> None:
    seen: list[tuple[int, list[bool], int]] = []

    def work(batch: headrace_core.Batch) -> None:
        seen.append((batch.rows, batch.live(), len(batch.parameters)))
        batch.complete({"y": batch.inputs["x"] * 2})

    rig.open(work, batching={"allowed_rows": [1, 4, 8]})
    for rows in (1, 3, 8):
        sent = np.arange(rows, dtype=np.float32).reshape(rows, 1)
        assert np.array_equal(rig.ask(sent), sent * 2)
    assert [(rows, sum(live), count) for rows, live, count in seen] == [
        (1, 1, 1),
        (4, 3, 4),
        (8, 8, 8),
    ]


def test_the_more_important_goes_first(rig: Any) -> None:
    order: list[float] = []
    started, go_on = threading.Event(), threading.Event()

    def work(batch: headrace_core.Batch) -> None:
        order.append(batch.inputs["x"].item())
        started.set()
        go_on.wait(30)
        batch.complete({"y": batch.inputs["x"]})

    rig.open(work, batching={"max_rows": 1, "priorities": 2})
    with ThreadPoolExecutor(5) as pool:

        def ask(value: float, priority: int) -> Any:
            sent = np.full((1, 1), value, np.float32)
            return pool.submit(rig.ask, sent, priority=priority)

        calls = [ask(0, 2)]
        assert started.wait(30)
        for waiting, (value, priority) in enumerate(((1, 2), (2, 2), (3, 1), (4, 1)), 1):
            calls.append(ask(value, priority))
            # Each waits before the next one is sent.
            while _waiting(rig) < waiting:
                started.wait(0.01)
        go_on.set()
        for call in calls:
            call.result()
    assert sorted(order[1:3]) == [3, 4]
    assert sorted(order[3:]) == [1, 2]


def test_tenants_are_served_alike_though_one_asks_for_much(rig: Any) -> None:
    order: list[float] = []
    started, go_on = threading.Event(), threading.Event()

    def work(batch: headrace_core.Batch) -> None:
        order.append(batch.inputs["x"].item())
        started.set()
        go_on.wait(30)
        batch.complete({"y": batch.inputs["x"]})

    rig.open(work, batching={"max_rows": 1, "queue_rows": 32, "tenant_header": "x-team"})
    with ThreadPoolExecutor(40) as pool:

        def ask(value: float, team: str) -> Any:
            sent = np.full((1, 1), value, np.float32)
            return pool.submit(rig.ask, sent, headers={"x-team": team})

        def wait_for(calls: int) -> None:
            while _waiting(rig) < calls:
                started.wait(0.01)

        many = [ask(0, "many")]
        assert started.wait(30)
        many += [ask(0, "many") for _ in range(15)]
        wait_for(15)
        few = [ask(1, "few") for _ in range(2)]
        wait_for(17)
        # Half of the queue is for whoever comes next.
        refused = [ask(0, "many") for _ in range(12)]
        while sum(call.done() for call in refused) < 8:
            started.wait(0.01)
        assert "of this tenant" in str(next(c for c in refused if c.done()).exception())
        go_on.set()
        [call.result() for call in many + few]
    # One ran, some were with the host already; from then on the two take turns.
    assert max(at for at, value in enumerate(order) if value) <= 8, order


def _waiting(rig: Any) -> int:
    gateway = json.loads(rig.gateway.stats())["models"]["m"]["versions"]["1"]
    host = json.loads(rig.host.stats())["versions"][0]
    return int(gateway["waiting"]) + int(host["waiting_rows"])


def test_limits_change_while_it_serves(rig: Any) -> None:
    sizes: list[int] = []

    def work(batch: headrace_core.Batch) -> None:
        sizes.append(batch.rows)
        batch.complete({"y": batch.inputs["x"]})

    intake = rig.open(work, batching={"max_rows": 2, "max_delay_ms": 60_000.0})
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(rig.ask, np.zeros((1, 1), np.float32)) for _ in range(2)]
        [call.result() for call in calls]
        intake.update(json.dumps({"max_rows": 4, "max_delay_ms": 60_000.0}))
        calls = [pool.submit(rig.ask, np.zeros((1, 1), np.float32)) for _ in range(4)]
        [call.result() for call in calls]
    assert sizes == [2, 4]
    with pytest.raises(ValueError, match=r"unknown field `max_row`"):
        intake.update(json.dumps({"max_row": 4}))


def test_draining_serves_what_was_accepted(rig: Any) -> None:
    started, go_on = threading.Event(), threading.Event()

    def work(batch: headrace_core.Batch) -> None:
        started.set()
        go_on.wait(30)
        batch.complete({"y": batch.inputs["x"]})

    rig.open(work, batching={"max_rows": 1})
    with ThreadPoolExecutor(4) as pool:
        call = pool.submit(rig.ask, np.full((1, 1), 7, np.float32))
        assert started.wait(30)
        assert json.loads(rig.host.stats())["versions"][0]["running_rows"] == 1
        drained = pool.submit(rig.gateway.drain, 30.0)
        go_on.set()
        assert call.result().item() == 7
        assert drained.result()


def test_a_version_that_nobody_can_pull_is_closed(rig: Any) -> None:
    intake = rig.open(None)
    assert [row["model"] for row in json.loads(rig.host.stats())["versions"]] == ["m"]
    del intake
    assert json.loads(rig.host.stats())["versions"] == []


def test_closing_ends_the_lanes(rig: Any) -> None:
    rig.open(lambda batch: batch.complete({"y": batch.inputs["x"]}), lanes=3)
    assert rig.ask(np.zeros((1, 1), np.float32)).tolist() == [[0]]
    rig.host.close("m", 1)
    rig.host.close("m", 1)
    for lane in rig._lanes:
        lane.join(30)
        assert not lane.is_alive()


def test_what_cannot_be_opened_says_why(rig: Any) -> None:
    rig.open(lambda batch: batch.complete({"y": batch.inputs["x"]}))
    with pytest.raises(ValueError, match="version 1 is open in this host already"):
        rig.open(None)
    with pytest.raises(ValueError, match="FP33"):
        rig.open(None, model="other", inputs=[("x", "FP33", [1])])
    with pytest.raises(ValueError, match="name no socket"):
        rig.host.listen()
    with pytest.raises(ValueError, match="lane 1 of a version that was opened with 1"):
        rig.open(None, model="third").next_batch(1)


def test_a_draining_host_takes_no_more_versions(rig: Any) -> None:
    rig.open(lambda batch: batch.complete({"y": batch.inputs["x"]}))
    rig.host.drain(5.0)
    with pytest.raises(RuntimeError, match="is draining"):
        rig.host.open(
            json.dumps(
                {
                    "model": "n",
                    "version": 1,
                    "platform": "python",
                    "inputs": [],
                    "outputs": [],
                    "batching": {"max_rows": 1},
                }
            )
        )
