"""Two gateways that serve the same host: what both have counted is one sum, and stays it."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import headrace_core
import pytest
from tests.seam.test_evidence import LINES, LONG, Judged
from tests.seam.test_steps import until

from headrace.control.demand import usage
from headrace.rollout.counted import Seen, Totals, counted
from headrace.serve.summed import summed


class Second(Judged):
    """Another gateway before the same host, whose lane runs already."""

    def __init__(self, socket: Path) -> None:
        settings = {"grpc": "127.0.0.1:0", "io_threads": 1}
        self.gateway = headrace_core.Gateway(json.dumps(settings))
        self.gateway.start()
        self.gateway.set_endpoints(json.dumps([{"id": "host", "socket": str(socket)}]))
        self.judge(1, LINES)
        self.begin()


class Looked:
    """What is known of all gateways, from look to look."""

    def __init__(self) -> None:
        self.seen, self.sum = Seen(), Totals.nothing(len(LINES))

    def look(self, *gateways: Judged, answers: int = 0) -> tuple[float, int]:
        """Return how many runs and answers are known of, once so many answers are.

        Callers may have theirs before they are counted.
        """
        until(lambda: self._look(*gateways)[1] >= answers)
        return self._look(*gateways)

    def _look(self, *gateways: Judged) -> tuple[float, int]:
        told = [one for gateway in gateways for one in counted(gateway.gateway.evidence())]
        self.seen, new = self.seen.then(told, len(LINES))
        self.sum += new
        return self.sum.runs.count, sum(count for _, count in self.sum.latency)


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "host.sock"


@pytest.fixture
def first(socket: Path) -> Iterator[Judged]:
    served = Judged(socket)
    served.goes_on.release(1000)
    yield served
    served.shut()


def test_evidence_is_the_sum_over_gateways_and_their_lives(first: Judged, socket: Path) -> None:
    second, looked = Second(socket), Looked()
    for one in (first, second):
        assert [one.ask(1.0) for _ in range(3)] == ["answered"] * 3
    assert looked.look(first, second, answers=6) == (6, 6)
    # Nothing new is in the same words, whichever of them says them.
    assert looked.look(first, second) == looked.look(second) == (6, 6)
    assert second.ask(1.0) == "answered"
    assert looked.look(first) == (6, 6)
    assert looked.look(second, first, answers=7) == (7, 7)
    # One that begins anew has counted less than before, and is another.
    assert second.gateway.drain(LONG)
    third = Second(socket)
    assert third.ask(1.0) == first.ask(1.0) == "answered"
    assert looked.look(first, third, answers=9) == (9, 9)
    assert looked.look(first, second, third) == (9, 9)
    assert looked.seen.gateways == 3
    assert third.gateway.drain(LONG)


def test_calls_that_each_has_are_together_what_a_version_has(first: Judged, socket: Path) -> None:
    while first.goes_on.acquire(blocking=False):
        pass
    second, pause = Second(socket), threading.Event()

    def calls() -> tuple[list[Any], int]:
        stats = [json.loads(one.gateway.stats()) for one in (first, second)]
        each = [usage(one).get("m/1") for one in stats]
        return [one and one.calls for one in each], usage(summed(stats))["m/1"].calls

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(one.ask, 1.0) for one in (first, second, second)]
        for _ in range(1000):
            if (found := calls()) == ([1, 2], 3):
                break
            pause.wait(0.01)
        first.goes_on.release(8)
        assert [one.result(LONG) for one in asked] == ["answered"] * 3
    assert found == ([1, 2], 3)
    assert second.gateway.drain(LONG)
