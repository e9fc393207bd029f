"""Versions that are judged: what is counted is the same in this process and behind a link."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import headrace_core
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.utils
from tests.seam.test_steps import Serve, Steps, parts, until

import headrace

LONG = 30
#: Everything is slow, and nothing.
LINES = [1, 10**15]


class Judged:
    """A version that is judged; its batches wait for ``goes_on``."""

    def __init__(self, socket: Path | None) -> None:
        self.goes_on = threading.Semaphore(0)
        self.sizes: list[int] = []
        settings = {"grpc": "127.0.0.1:0", "io_threads": 1}
        self.gateway = headrace_core.Gateway(json.dumps(settings))
        path = str(socket) if socket else None
        self.host = headrace_core.Host(json.dumps({"socket": path, "arena_bytes": 0}))
        self.gateway.start()
        if path is None:
            self.gateway.attach(self.host)
        else:
            self.host.listen()
            self.gateway.set_endpoints(json.dumps([{"id": "host", "socket": path}]))
        self.judge(1, LINES)
        tensors = [{"name": name, "datatype": "FP32", "shape": [1]} for name in "xy"]
        contract = {
            "model": "m",
            "version": 1,
            "platform": "python",
            "inputs": tensors[:1],
            "outputs": tensors[1:],
            "batching": {"max_rows": 8},
            "lanes": 1,
            "repeatable": True,
        }
        self.intake = self.host.open(json.dumps(contract))
        self.lane = threading.Thread(target=self.run)
        self.lane.start()
        self.begin()

    def begin(self) -> None:
        """Be ready for callers: one who waits until a gateway has a host says nothing of it."""
        until(lambda: self.hosts() == 1)
        self.client = tritonclient.grpc.InferenceServerClient(self.gateway.addresses()["grpc"])

    def hosts(self) -> int:
        models = json.loads(self.gateway.stats())["models"]
        return int(models["m"]["versions"]["1"]["hosts"]) if "m" in models else 0

    def judge(self, sequence: int, slow_ns: list[int] | None, rollout: int = 1) -> None:
        table: dict[str, Any] = {
            "versions": [{"version": 1, "state": "READY"}],
            "weights": [{"version": 1, "share": 10000}],
            "judged": [],
        }
        if slow_ns is not None:
            table["judged"] = [{"version": 1, "rollout": rollout, "slow_ns": slow_ns}]
        epoch = {"term": 1, "sequence": sequence}
        self.gateway.apply_policy(json.dumps({"epoch": epoch, "models": {"m": table}}))

    def run(self) -> None:
        """Fail for -1, refuse rows below that, and answer others."""
        while (batch := self.intake.next_batch(0)) is not None:
            self.goes_on.acquire()
            x = batch.inputs["x"][:, 0]
            self.sizes.append(len(x))
            for row in np.flatnonzero(x < -1):
                batch.reject(int(row), "below minus one")
            if (x == -1).any():
                batch.fail("minus one")
            else:
                batch.complete({"y": batch.inputs["x"]})

    def ask(self, value: float) -> str:
        sent = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
        sent.set_data_from_numpy(np.full((1, 1), value, np.float32))
        try:
            self.client.infer("m", [sent])
        except tritonclient.utils.InferenceServerException as error:
            return str(error.status())
        return "answered"

    def together(self, *values: float) -> list[str]:
        """Have the values run as one batch, behind one of their own that holds the lane."""
        with ThreadPoolExecutor(len(values) + 1) as pool:
            first = pool.submit(self.ask, 0.0)
            self.wait(rows=1)
            asked = [pool.submit(self.ask, value) for value in values]
            self.wait(rows=1 + len(values))
            # Enough for a batch that fails, and for what is run again of it.
            self.goes_on.release(8)
            ended = [one.result(LONG) for one in [first, *asked]]
        while self.goes_on.acquire(blocking=False):
            pass
        return ended[1:]

    def wait(self, rows: int) -> None:
        """Until the host has so many rows."""
        pause = threading.Event()
        for _ in range(3000):
            (host,) = json.loads(self.host.stats())["versions"]
            if host["waiting_rows"] + host["running_rows"] == rows:
                return
            pause.wait(0.01)
        raise AssertionError(f"never: {rows} rows; {host}")

    def evidence(self, answers: int = 0) -> list[dict[str, Any]]:
        """What is counted, with so many answers in it: their callers may have them before."""

        def found() -> int:
            told = json.loads(self.gateway.evidence())["versions"]
            return sum(count for one in told for _, count in one["latency"])

        until(lambda: found() >= answers)
        told = json.loads(self.gateway.evidence())
        assert set(told) == {"began", "versions"}
        return list(told["versions"])

    def shut(self) -> None:
        assert self.gateway.drain(10.0)
        assert self.host.drain(10.0)
        self.goes_on.release(8)
        self.lane.join(LONG)
        self.client.close()


@pytest.fixture(params=["in this process", "behind a link"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Judged]:
    tmp_path.chmod(0o700)
    served = Judged(None if request.param == "in this process" else tmp_path / "host.sock")
    yield served
    served.shut()


def test_a_batch_is_one_unit_wherever_its_model_runs(served: Judged) -> None:
    assert served.together(1, 2, 3, 4) == ["answered"] * 4
    (seen,) = served.evidence(5)
    assert served.sizes == [1, 4]
    assert (seen["model"], seen["version"], seen["slow_ns"]) == ("m", 1, LINES)
    assert seen["rollout"] == 1
    assert seen["runs"] == {"count": 2, "bad": 0}
    assert seen["refused"] == {"count": 2, "bad": 0}
    assert seen["slow"] == [{"count": 2, "bad": 2}, {"count": 2, "bad": 0}]
    assert sum(count for _, count in seen["latency"]) == 5

    # One of two is refused for what it sent: its run is as good as any, and that it was is told.
    assert served.together(5, -2) == ["answered", "StatusCode.INVALID_ARGUMENT"]
    (seen,) = served.evidence(7)
    assert seen["runs"] == {"count": 4, "bad": 0}
    assert seen["refused"] == {"count": 4, "bad": 0.5}
    assert seen["slow"] == [{"count": 4, "bad": 4}, {"count": 4, "bad": 0}]

    # One makes its batch fail, and what is run again of it is no unit.
    assert served.together(6, -1) == ["answered", "StatusCode.INTERNAL"]
    (seen,) = served.evidence(9)
    assert served.sizes[-4:] == [1, 2, 1, 1]
    assert seen["runs"] == {"count": 6, "bad": 1}
    assert seen["refused"] == {"count": 5, "bad": 0.5}
    assert seen["slow"] == [{"count": 5, "bad": 5}, {"count": 5, "bad": 0}]
    assert sum(count for _, count in seen["latency"]) == 9

    # Nobody of this run has an answer.
    assert served.together(-2, -3) == ["StatusCode.INVALID_ARGUMENT"] * 2
    (seen,) = served.evidence(10)
    assert seen["runs"] == {"count": 8, "bad": 1}
    assert seen["refused"] == {"count": 7, "bad": 1.5}
    assert seen["slow"] == [{"count": 6, "bad": 6}, {"count": 6, "bad": 0}]


def test_requests_without_time_are_a_share_of_their_second(served: Judged) -> None:
    def ask_for(milliseconds: int) -> str:
        sent = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
        sent.set_data_from_numpy(np.zeros((1, 1), np.float32))
        with pytest.raises(tritonclient.utils.InferenceServerException) as raised:
            served.client.infer("m", [sent], timeout=1000 * milliseconds)
        return str(raised.value.status())

    # The lane does not go on.
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask_for, [20] * 8)) == {"StatusCode.DEADLINE_EXCEEDED"}
    seconds = time.monotonic() - began
    until(lambda: served.evidence()[0]["unserved"]["count"] > 0)
    (seen,) = served.evidence()
    count = seen["unserved"]["count"]
    assert seen["unserved"] == {"count": count, "bad": count}
    # A second may end among them.
    assert count <= int(seconds) + 2
    assert seen["slow"] == [{"count": 0, "bad": 0}] * 2
    served.goes_on.release(8)


def test_a_count_ends_and_begins_with_the_table(served: Judged) -> None:
    served.together(1)
    (first,) = served.evidence(2)
    served.judge(2, LINES)
    (same,) = served.evidence()
    assert same == first
    served.judge(3, [5])
    (anew,) = served.evidence()
    assert anew["since"] > first["since"]
    assert anew["runs"] == {"count": 0, "bad": 0}
    assert anew["slow"] == [{"count": 0, "bad": 0}]
    assert anew["latency"] == []
    served.together(1)
    served.evidence(2)
    served.judge(4, [5], rollout=2)
    (others,) = served.evidence()
    assert (others["rollout"], others["runs"]) == (2, {"count": 0, "bad": 0})
    assert others["since"] > anew["since"]
    served.judge(5, None)
    served.together(1)
    assert served.evidence() == []


def test_answers_in_parts_are_judged_by_their_first_part_and_their_end(serve: Serve) -> None:
    def breaks(sequences: Sequence[headrace.Sequence]) -> None:
        if any(one.inputs["x"].item() < 0 and one.state == 2 for one in sequences):
            raise ValueError("after two parts")

    served = serve(Steps(breaks))
    table = {
        "versions": [{"version": 1, "state": "READY"}],
        "weights": [{"version": 1, "share": 10000}],
        "judged": [{"version": 1, "slow_ns": LINES}],
    }
    epoch = {"term": 1, "sequence": 2}
    served.gateway.apply_policy(json.dumps({"epoch": epoch, "models": {"m": table}}))
    assert parts(served.ask([1], 30)) == list(range(1, 31))
    assert "after two parts" in parts(served.ask([-1], 30))[-1]
    assert parts(served.ask([5], 2)) == [5, 6]
    # Its caller may have the end before it is counted.
    until(lambda: json.loads(served.gateway.evidence())["versions"][0]["runs"]["count"] == 3)
    (seen,) = json.loads(served.gateway.evidence())["versions"]
    assert seen["runs"] == {"count": 3, "bad": 1}, "answers, however many steps each took"
    assert seen["slow"] == [{"count": 3, "bad": 3}, {"count": 3, "bad": 0}]
    assert sum(count for _, count in seen["latency"]) == 3
