"""`encode_features`: numbers standardised, categories one-hot."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.kernels.implementations import Run
from tests.kernels.shim.machine import Shim

from headrace_kernels.launch import FLOATS
from headrace_kernels.tabular.features import Encoding, Features, one_hot_starts
from headrace_kernels.tabular.launcher import encode_features
from headrace_kernels.tabular.reference import encode_features as reference

KERNEL = "encode_features"

NAN = float("nan")


def table(rows: int, numbers: int, sizes: list[int], seed: int = 0) -> tuple[Features, Encoding]:
    """Return a batch with categories a little beyond what was known, and what was learned."""
    dice = np.random.default_rng(seed)
    starts, hot = one_hot_starts(sizes)
    values = dice.normal(0, 100, (rows, numbers)).astype(np.float32)
    values[dice.random(values.shape) < 0.1] = NAN
    categories = [dice.integers(-2, size + 2, (rows, 1)) for size in sizes]
    joined = np.concatenate([np.zeros((rows, 0)), *categories], 1).astype(np.int32)
    learned = dice.normal(0, 10, (2, numbers)).astype(np.float32)
    return Features(values, joined), Encoding(learned[0], learned[1], starts, hot)


def same(run: Run, features: Features, encoding: Encoding) -> NDArray[Any]:
    """Return what ``run`` makes of the rows, once it is what the reference makes."""
    found: NDArray[Any] = run("encode_features", features, encoding)
    expected = reference(features, encoding)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found.astype(np.float32), expected.astype(np.float32))
    return found


def test_a_row_is_its_numbers_and_then_its_categories(run: Run) -> None:
    starts, hot = one_hot_starts([3, 1, 2])
    features = Features(
        np.array([[3.0, NAN], [-1.0, 5.0]], np.float32),
        np.array([[2, 0, 1], [3, -1, 0]], np.int32),
    )
    mean, scale = np.array([1.0, 5.0], np.float32), np.array([0.5, 2.0], np.float32)
    expected = [[1.0, -9.0, 0, 0, 1, 1, 0, 1], [-1.0, 0.0, 0, 0, 0, 0, 1, 0]]
    encoding = Encoding(mean, scale, starts, hot, missing=-9.0)
    np.testing.assert_array_equal(same(run, features, encoding), expected)
    kept = same(run, features, replace(encoding, missing=NAN))
    assert np.isnan(kept[0, 1])
    assert np.isnan(kept).sum() == 1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("rows", "numbers", "sizes"),
    [
        (0, 3, [4]),
        (1, 1, []),
        (256, 13, [2, 7, 1, 40]),
        (9, 0, [5, 3]),
        (3, 70, []),
        (5, 0, []),
        (17, 31, [1] * 33),
        (2, 3, [2000, 1, 500]),
    ],
)
def test_tables_of_all_sizes(
    dtype: Any, rows: int, numbers: int, sizes: list[int], run: Run
) -> None:
    features, encoding = table(rows, numbers, sizes)
    same(run, features, replace(encoding, dtype=dtype))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_table(run: Run, data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 20), max_size=5))
    rows, numbers = data.draw(st.integers(1, 20)), data.draw(st.integers(0, 40))
    features, encoding = table(rows, numbers, sizes, data.draw(st.integers(0, 99)))
    missing = data.draw(st.sampled_from([0.0, -1.0, NAN]))
    same(run, features, replace(encoding, missing=missing))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_starts_that_lie_mean_the_same_to_all(run: Run, data: st.DataObject) -> None:
    """Descending, doubled, below 0 or beyond the columns."""
    near = st.integers(-3, 12)
    starts = data.draw(st.lists(near | st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=5))
    value = near | st.sampled_from([-(2**31), 2**31 - 1])
    row = st.lists(value, min_size=len(starts), max_size=len(starts))
    rows = data.draw(st.lists(row, min_size=1, max_size=9))
    features = Features(np.ones((len(rows), 1), np.float32), np.array(rows, np.int32))
    one = np.ones(1, np.float32)
    encoding = Encoding(one, one, np.array(starts, np.int32), data.draw(st.integers(1, 12)))
    same(run, features, encoding)


def test_what_lies_before_the_first_start_is_of_no_category(run: Run) -> None:
    features = Features(np.zeros((3, 0), np.float32), np.array([[-2], [-1], [0]], np.int32))
    none = np.zeros(0, np.float32)
    found = same(run, features, Encoding(none, none, np.array([2], np.int32), 4))
    np.testing.assert_array_equal(found, [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mean": np.zeros(2, np.float32)}, r"mean has shape \[2\]; it must be \[3\]"),
        ({"scale": np.zeros(3, np.float64)}, "scale is float64"),
        ({"starts": np.zeros(1, np.int32)}, r"starts has shape \[1\]; it must be \[2\]"),
        ({"dtype": "float64"}, "dtype is 'float64': one of float16, bfloat16, float32"),
        ({"hot": 7.0}, r"hot is 7\.0; expected a whole number"),
        ({"missing": "0"}, "missing is '0'; expected a number"),
        ({"hot": 0}, "hot is 0, and there are 2 categories"),
        ({"hot": -1}, "hot is -1"),
        ({"hot": 2**21}, "2097155 columns are too many"),
    ],
)
def test_an_encoding_that_does_not_fit_is_refused(
    wrong: dict[str, Any], message: str, shim: Shim
) -> None:
    features, encoding = table(4, 3, [2, 5])
    with pytest.raises((TypeError, ValueError), match=message):
        encode_features(features, replace(encoding, **wrong), machine=shim)
    assert not shim.launches


def test_rows_that_do_not_fit_each_other_are_refused(shim: Shim) -> None:
    features, encoding = table(4, 3, [2, 5])
    with pytest.raises(ValueError, match=r"categories has shape \[3, 2\]; it must be \[4, any\]"):
        encode_features(
            replace(features, categories=features.categories[:3]), encoding, machine=shim
        )
    with pytest.raises(ValueError, match="a category's size is 0: 1 to"):
        one_hot_starts([3, 0])
    with pytest.raises(TypeError, match=r"a category's size is 2\.5; expected a whole number"):
        one_hot_starts([2.5])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="one-hot columns are too many"):
        one_hot_starts([2**30, 2**30, 2**30])
