"""Rows of different sizes share batches as model.yaml says, and each caller gets its own."""

import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import headrace_core
import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from headrace.execution import lanes, trial
from headrace.execution.device.host import Host, HostLane
from headrace.execution.opening import context, contract, open_model
from headrace.execution.passage import Passage
from headrace.repository.folder import Version, find

LONG_S = 30

CUMULATIVE = """
from headrace import Model, Tensor
import numpy as np

class Cumulative(Model):
    inputs = [Tensor("x", "INT32", [-1])]
    outputs = [Tensor("y", "INT32", [-1]), Tensor("sum", "INT64", [])]
    seen = []

    def load(self, context):
        pass

    def predict(self, batch):
        x, sizes = batch["x"], batch.sizes["x"]
        assert (sizes.shape, sizes.dtype) == ((batch.rows, 1), np.int64)
        beyond = np.arange(x.shape[1]) >= sizes
        assert (x[beyond] == -7).all() and (x[~beyond] != -7).all()
        self.seen.append((x.shape, beyond.sum()))
        x = np.where(beyond, 0, x)
        return {"y": x.cumsum(axis=1, dtype=np.int32), "sum": x.sum(axis=1, dtype=np.int64)}
"""

RAGGED = """
from headrace import Model, Tensor
import numpy as np

class Ragged(Model):
    inputs = [Tensor("x", "INT32", [-1, 2])]
    outputs = [Tensor("y", "INT32", [-1, 2]), Tensor("sum", "INT64", [])]
    seen = []

    def load(self, context):
        pass

    def predict(self, batch):
        x, offsets = batch["x"], batch.offsets["x"]
        assert x.shape == (offsets[-1], 2) and len(offsets) == batch.rows + 1
        self.seen.append((x.shape, batch.rows))
        rows = [x[begin:end] for begin, end in zip(offsets, offsets[1:])]
        return {"y": np.concatenate([row[::-1] for row in rows]),
                "sum": np.array([row.sum() for row in rows], np.int64)}
"""


def written(folder: Path, source: str, yaml: str) -> Version:
    """Return the version of a repository that has this one."""
    version = folder / "m" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(source)
    (folder / "m" / "model.yaml").write_text(yaml)
    (found,) = find(folder)
    return found


def serve(rig: Any, version: Version) -> list[tuple[tuple[int, ...], int]]:
    """Serve it by the way that `headrace serve` takes; what the model notes of its batches."""
    model = open_model(version)
    model.load(context(version))
    passage = Passage("m/1", model, HostLane())
    for rows in (1, 3):
        trial.run(passage, rows, lambda: 0.0, version.config)
    seen: list[tuple[tuple[int, ...], int]] = vars(type(model))["seen"]
    assert seen, "it was not warmed up"
    seen.clear()
    all_lanes = lanes.Work("m/1", model, Host(), rig.host, print)
    count = version.config.lanes
    work = partial(lanes.answer, all_lanes, passage)
    rig.carry(contract(version, model), work, model="m", lanes=count)
    return seen


def ask_many(rig: Any, row: Callable[[random.Random], np.ndarray[Any, Any]]) -> list[Any]:
    def caller(seed: int) -> list[Any]:
        dice = random.Random(seed)
        return [(sent := row(dice), rig.ask(sent, datatypes=["INT32"])) for _ in range(20)]

    with ThreadPoolExecutor(12) as pool:
        return [one for list_ in pool.map(caller, range(12)) for one in list_]


@pytest.mark.parametrize(
    ("rule", "widths"),
    [("multiple_of: 4", set(range(0, 41, 4))), ("sizes: [8, 16, 40]", {8, 16, 40})],
)
def test_padded_rows_share_batches_and_each_caller_gets_its_own(
    rig: Any, tmp_path: Path, rule: str, widths: set[int]
) -> None:
    batching = (
        "max_rows: 8, allowed_rows: [4, 8], max_delay_ms: 2, "
        f"join: {{x: {{pad: {{value: -7, {rule}}}}}}}, like: {{y: x}}"
    )
    yaml = f"placement: {{lanes: 2}}\nbatching: {{{batching}}}\n"
    seen = serve(rig, written(tmp_path, CUMULATIVE, yaml))

    def row(dice: random.Random) -> np.ndarray[Any, Any]:
        size = (dice.randint(1, 3), dice.randint(0, 40))
        return np.arange(size[0] * size[1], dtype=np.int32).reshape(size)

    for sent, got in ask_many(rig, row):
        assert np.array_equal(got, sent.cumsum(axis=1, dtype=np.int32))
    assert {shape[0] for shape, _ in seen} <= {4, 8}
    assert {shape[1] for shape, _ in seen} <= widths
    assert any(padding for _, padding in seen), "no batch was of different sizes"


def test_ragged_rows_follow_each_other(rig: Any, tmp_path: Path) -> None:
    batching = "max_rows: 8, max_delay_ms: 2, join: {x: ragged}, like: {y: x}"
    seen = serve(rig, written(tmp_path, RAGGED, f"batching: {{{batching}}}\n"))

    def row(dice: random.Random) -> np.ndarray[Any, Any]:
        size = (dice.randint(1, 3), dice.randint(0, 20), 2)
        return np.arange(size[0] * size[1] * 2, dtype=np.int32).reshape(size)

    for sent, got in ask_many(rig, row):
        assert np.array_equal(got, sent[:, ::-1])
    assert max(rows for _, rows in seen) > 3, "callers did not share batches"


def test_those_of_one_bucket_share_and_who_is_too_long_is_refused_before_it_waits(
    rig: Any, tmp_path: Path
) -> None:
    started, go_on = threading.Event(), threading.Event()
    batching = "max_rows: 8, join: {x: {pad: {value: -7, sizes: [4, 8]}}}, like: {y: x}"
    shapes: list[tuple[int, ...]] = []
    found = written(tmp_path, CUMULATIVE, f"batching: {{{batching}}}\n")

    def work(batch: headrace_core.Batch) -> None:
        shapes.append(batch.inputs["x"].shape)
        started.set()
        go_on.wait(LONG_S)
        x = batch.inputs["x"]
        batch.complete({"y": x, "sum": x.sum(axis=1, dtype=np.int64)})

    rig.carry(contract(found, open_model(found)), work, model="m", lanes=1)
    with ThreadPoolExecutor(8) as pool:

        def ask(size: int) -> Any:
            return pool.submit(rig.ask, np.ones((1, size), np.int32), datatypes=["INT32"])

        first = ask(1)
        started.wait(LONG_S)
        # While the model works, these wait.
        others = [ask(size) for size in (3, 5, 4, 8, 1)]
        with pytest.raises(InferenceServerException, match=r"at most 8 \(batching.join\)"):
            rig.ask(np.ones((1, 9), np.int32), datatypes=["INT32"])
        until = monotonic() + LONG_S
        while json.loads(rig.host.stats())["versions"][0]["waiting_rows"] < len(others):
            assert monotonic() < until
        go_on.set()
        assert [one.result().shape for one in [first, *others]] == [
            (1, size) for size in (1, 3, 5, 4, 8, 1)
        ]
    assert sorted(shapes) == [(1, 4), (2, 8), (3, 4)]
