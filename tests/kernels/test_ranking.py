"""`softmax_top_k`: the likeliest classes, in an order that nothing can shake."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.kernels.implementations import Run
from tests.kernels.shim.machine import Shim

from headrace_kernels.ranking.launcher import softmax_top_k
from headrace_kernels.ranking.reference import softmax_top_k as reference

KERNEL = "softmax_top_k"

INFINITY, NAN = float("inf"), float("nan")


def same(run: Run, logits: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what ``run`` finds, once it is what the reference finds."""
    probabilities, classes = run("softmax_top_k", logits, k)
    expected = reference(logits, k)
    assert (probabilities.dtype, classes.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(classes, expected[1])
    np.testing.assert_allclose(probabilities, expected[0], rtol=0, atol=1e-6)
    return probabilities, classes


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("classes", [5, 31, 256, 1000, 5003])
def test_probabilities_and_classes_are_those_of_torch(dtype: Any, classes: int, run: Run) -> None:
    logits = np.random.default_rng(1).normal(0, 4, (3, classes)).astype(dtype)
    probabilities, found = same(run, logits, 5)
    # In double precision: sums of 5,003 floats are off by as much themselves, by processor.
    theirs = torch.from_numpy(logits.astype(np.float64)).softmax(-1).topk(5)
    np.testing.assert_allclose(probabilities, theirs.values.numpy(), rtol=0, atol=1e-6)
    chosen = np.take_along_axis(logits.astype(np.float32), found, 1)
    ranked = -np.sort(-logits.astype(np.float32), axis=1)[:, :5]
    np.testing.assert_array_equal(chosen, ranked)


def test_among_equals_the_smaller_class_is_first(run: Run) -> None:
    equal = np.zeros((1, 700), np.float32)
    assert same(run, equal, 5)[1].tolist() == [[0, 1, 2, 3, 4]]
    equal[0, 100:] = -0.0
    equal[0, ::2] = -0.0  # which is no less
    assert same(run, equal, 5)[1].tolist() == [[0, 1, 2, 3, 4]]
    equal[0, [699, 300, 301]] = 1.0
    assert same(run, equal, 5)[1].tolist() == [[300, 301, 699, 0, 1]]


@pytest.mark.parametrize(
    ("row", "classes"),
    [
        ([0.0, NAN, 1.0, INFINITY], [1, 3, 2, 0]),
        ([NAN, 0.0, NAN, 1.0], [0, 2, 3, 1]),
        ([-NAN, NAN, -INFINITY, INFINITY], [0, 1, 3, 2]),
        ([0.0, INFINITY, 1.0, INFINITY], [1, 3, 2, 0]),
        ([0.0, INFINITY, 1.0, -INFINITY], [1, 2, 0, 3]),
        ([-INFINITY] * 4, [0, 1, 2, 3]),
        ([-INFINITY, 2.0, -INFINITY, 1.0], [1, 3, 0, 2]),
        ([3e38, -3e38, 0.0, 3e38], [0, 3, 2, 1]),
        ([1e-45, -1e-45, 0.0, 1e-40], [3, 0, 2, 1]),
    ],
)
def test_nan_and_infinity_have_a_place(row: list[float], classes: list[int], run: Run) -> None:
    logits = np.array([row], np.float32)
    probabilities, found = same(run, logits, 4)
    assert found.tolist() == [classes]
    theirs = torch.from_numpy(logits).softmax(-1).numpy()[0, classes]
    np.testing.assert_allclose(probabilities[0], theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("where", [0, 255, 256, 999])
@pytest.mark.parametrize("what", [NAN, INFINITY, -INFINITY])
def test_one_odd_logit_among_many_is_met_wherever_it_is(where: int, what: float, run: Run) -> None:
    logits = np.random.default_rng(2).normal(0, 1, (2, 1000)).astype(np.float32)
    logits[0, where] = what
    probabilities, _ = same(run, logits, 5)
    assert np.isnan(probabilities[0]).all() == (what != -INFINITY)
    assert not np.isnan(probabilities[1]).any()


def test_logits_far_apart_neither_overflow_nor_vanish(run: Run) -> None:
    logits = np.array([[1e4, 0, -1e4, 9999.0], [-1e4, -1e4, -1e4, -1e4]], np.float32)
    probabilities, _ = same(run, logits, 2)
    np.testing.assert_allclose(probabilities, [[0.731059, 0.268941], [0.25, 0.25]], atol=1e-6)


def test_a_batch_may_be_empty_or_of_256_and_k_all_classes(run: Run) -> None:
    assert same(run, np.zeros((0, 5), np.float32), 5)[1].shape == (0, 5)
    dice = np.random.default_rng(3)
    same(run, dice.normal(0, 1, (256, 5)).astype(np.float32), 5)
    same(run, dice.normal(0, 1, (2, 1)).astype(np.float32), 1)
    same(run, dice.normal(0, 1, (2, 16)).astype(np.float32), 16)
    same(run, dice.normal(0, 1, (2, 3000)).astype(np.float32), 16)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_logits(run: Run, data: st.DataObject) -> None:
    k = data.draw(st.sampled_from([1, 4, 5]))
    # Few values, so that most are equal to others.
    one = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, 1e30, -1e30, INFINITY, -INFINITY, NAN])
    row = data.draw(st.lists(one, min_size=k, max_size=40))
    same(run, np.array([row * data.draw(st.sampled_from([1, 20]))], np.float32), k)


@pytest.mark.parametrize(
    ("logits", "k", "message"),
    [
        (np.zeros((1, 5)), 5, "logits is float64; it must be one of float16, bfloat16, float32"),
        (np.zeros(5, np.float32), 5, r"logits has shape \[5\]"),
        (np.zeros((1, 5), np.float32), 6, "k is 6: 1 to 5 can be had"),
        (np.zeros((1, 50), np.float32), 17, "k is 17: 1 to 16 can be had"),
        (np.zeros((1, 5), np.float32), 0, "k is 0"),
        (np.zeros((1, 5), np.float32), 2.5, r"k is 2\.5; expected a whole number"),
        (np.zeros((4, 10), np.float32)[:, ::2], 1, "logits must be contiguous"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    logits: NDArray[Any], k: Any, message: str, shim: Shim
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        softmax_top_k(logits, k, machine=shim)
    assert not shim.launches


@pytest.mark.parametrize("k", [0, 6, 2.5, True, "1"])
def test_a_k_that_cannot_be_is_refused_by_the_reference_too(k: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="k is "):
        reference(np.zeros((1, 5), np.float32), k)
