"""Which sizes are captured and how batches pass through them, on a GPU that is none."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from tests.cuda_made_up import GARBAGE, MadeUpCuda

from headrace.backends.pytorch.graphs import Captured
from headrace.errors import ModelBroken
from headrace.models import Tensor

INPUTS = [Tensor("a", "FP32", [2]), Tensor("b", "FP32", [2])]


def forward(given: Sequence[Any]) -> Mapping[str, Any]:
    a, b = given
    return {"sum": a + 2 * b, "most": a.max(1, keepdims=True)}


def made_up() -> MadeUpCuda:
    return MadeUpCuda(lambda tensor, rows: np.zeros((rows, *tensor.shape), np.float32))


def captured(device: MadeUpCuda, rows: Sequence[int] = (1, 2, 8)) -> Captured:
    graphs = Captured(forward, INPUTS, rows, device)
    device.settle()
    return graphs


def batch(rows: int, start: float = 0) -> list[Any]:
    values = np.arange(start, start + 4 * rows, dtype=np.float32)
    return list(values.reshape(2, rows, 2))


def agree(outputs: Mapping[str, Any], given: Sequence[Any]) -> bool:
    expected = forward(given)
    return all(np.array_equal(outputs[name], expected[name]) for name in expected)


def test_every_size_is_captured_the_largest_first_over_the_same_inputs() -> None:
    asked: list[tuple[str, int]] = []

    def zeros(tensor: Tensor, rows: int) -> Any:
        asked.append((tensor.name, rows))
        return np.zeros((rows, *tensor.shape), np.float32)

    device = MadeUpCuda(zeros)
    captured(device)
    assert device.captured == [8, 2, 1]
    assert asked == [("a", 8), ("b", 8)]


def test_a_replay_is_of_the_rows_that_came() -> None:
    device = made_up()
    graphs = captured(device)
    for rows in (8, 1, 2, 8, 2):
        given = batch(rows, rows)
        outputs = graphs(given)
        assert (outputs["sum"] == GARBAGE).all(), "nothing is done before the device does it"
        device.settle()
        assert agree(outputs, given)


def test_the_outputs_of_a_batch_outlive_the_next() -> None:
    device = made_up()
    graphs = captured(device)
    kept = [(given, graphs(given)) for given in (batch(2, 5), batch(2, 50), batch(8), batch(1))]
    device.settle()
    assert all(agree(outputs, given) for given, outputs in kept)


#: Of the work of two batches: to wait, two copies, a replay, two copies, and to record.
PIECES = 2 * 7
#: Every order of it: the turns that are lane 1's.
ORDERS = list(combinations(range(PIECES), PIECES // 2))


def test_lanes_with_streams_of_their_own_do_not_meet_in_the_inputs() -> None:
    for order in ORDERS:
        device = made_up()
        graphs = captured(device)
        device.stream = "lane 0"
        first, second = batch(2, 5), batch(2, 50)
        outputs = graphs(first)
        device.stream = "lane 1"
        others = graphs(second)
        device.settle([f"lane {int(turn in order)}" for turn in range(PIECES)])
        assert agree(outputs, first), order
        assert agree(others, second), order


def test_the_lanes_would_meet_if_nobody_waited() -> None:
    """The device above is one that shows it."""

    class Careless(MadeUpCuda):
        def acquire(self) -> None: ...

    wrong = 0
    for order in ORDERS:
        device = Careless(made_up().zeros)
        graphs = captured(device)
        device.stream = "lane 0"
        outputs = graphs(batch(2, 5))
        device.stream = "lane 1"
        graphs(batch(2, 50))
        device.settle([f"lane {int(turn in order)}" for turn in range(PIECES)])
        wrong += not agree(outputs, batch(2, 5))
    assert wrong


def test_what_a_failed_batch_had_copied_harms_no_later_one() -> None:
    for order in ORDERS:
        device = made_up()
        graphs = captured(device)
        device.stream = "lane 0"
        with pytest.raises(ValueError, match="does not fit"):
            graphs([batch(2, 5)[0], batch(1)[0]])
        device.stream = "lane 1"
        given = batch(2, 50)
        outputs = graphs(given)
        device.settle([f"lane {int(turn in order)}" for turn in range(PIECES)])
        assert agree(outputs, given), order


def test_a_size_that_was_not_captured_is_told() -> None:
    graphs = captured(made_up())
    with pytest.raises(ModelBroken, match=r"a batch of 3 rows came, and CUDA graphs.*\[1, 2, 8\]"):
        graphs(batch(3))


def test_a_capture_that_fails_fails_the_load() -> None:
    def broken(given: Sequence[Any]) -> Mapping[str, Any]:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        Captured(broken, INPUTS, [1], made_up())
