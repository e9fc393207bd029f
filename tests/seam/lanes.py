"""A version whose lanes are the product's, and threads that have to meet in them."""

import json
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from headrace.execution import lanes
from headrace.execution.device.seam import Device
from headrace.execution.passage import prepares
from headrace.execution.voices import Line
from headrace.models import Model

LONG = 30


class Carry:
    """Carrys a model as a host does."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.lines: list[Line] = []
        self.threads: list[threading.Thread] = []

    def __call__(
        self,
        model: Model,
        device: Device,
        lanes_: int,
        *,
        name: str = "m",
        repeatable: bool = False,
        batching: Mapping[str, Any] | None = None,
        **conduct: Any,
    ) -> None:
        ahead = prepares(model, device, lanes_)
        contract = {
            "model": name,
            "version": 1,
            "platform": "python",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
            "batching": batching or {"max_rows": 4},
            "lanes": lanes_,
            "repeatable": repeatable,
        }
        lend = device.lend if device.is_apart else None
        told = {"concurrency": model.concurrency, "prepares": ahead, "lend": lend, **conduct}
        intake = self.rig.carry(json.dumps(contract), None, model=name, lanes=lanes_, **told)
        work = lanes.Work(f"{name}/1", model, device, intake, self.lines.append, prepares=ahead)
        self.threads += lanes.start(work, lanes_)

    def ask_many(self, callers: int, times: int, *names: str) -> int:
        """Ask for different rows at once, and check each answer; how many there were."""

        def caller(number: int) -> int:
            for turn in range(times):
                x = np.full((1 + turn % 3, 300), 100 * number + turn, np.float32)
                name = names[number % len(names)] if names else "m"
                assert np.array_equal(self.rig.ask(x, model=name), 2 * x)
            return times

        with ThreadPoolExecutor(callers) as pool:
            return sum(pool.map(caller, range(callers)))


class Meeting:
    """The so-many-th of each kind wait for each other: done in turns, neither would come back."""

    def __init__(self, **turns: int) -> None:
        self._turns, self._came = turns, Counter[str]()
        self._lock = threading.Lock()
        self._meet = threading.Barrier(max(1, len(turns)))

    def come(self, what: str) -> None:
        with self._lock:
            self._came[what] += 1
            is_it = self._came[what] == self._turns.get(what)
        if is_it:
            self._meet.wait(LONG)


def ask_two(carry: Carry) -> None:
    """Two batches that are full."""
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(carry.rig.ask, np.full((4, 1), one, np.float32)) for one in (1, 2)]
        assert [float(one.result(LONG)[0, 0]) for one in asked] == [2.0, 4.0]
