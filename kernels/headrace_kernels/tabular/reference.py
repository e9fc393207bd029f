"""`encode_features` in NumPy: what it means, written to be read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.launch import FLOATS
from headrace_kernels.tabular.features import Encoding, Features


def encode_features(
    features: Features, encoding: Encoding, *, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return [rows, n + hot]: numbers standardised, then the one-hot columns of each category.

    A value that training did not know (below 0, or beyond its category's columns) has no hot
    column, as in scikit-learn's `OneHotEncoder` with `handle_unknown="ignore"`.

    Of `starts` that do not ascend nothing is believed: a one-hot column is of the category that a
    bisection finds, and 0 if it lies before that category's start.
    """
    numbers, categories = features.numbers, features.categories
    rows, count = numbers.shape
    if out is None:
        out = np.empty((rows, count + encoding.hot), FLOATS[encoding.dtype])
    standardised = (numbers - encoding.mean) * encoding.scale
    out[:, :count] = np.where(np.isnan(numbers), np.float32(encoding.missing), standardised)
    for column in range(encoding.hot):
        category = _category_at(encoding.starts, column)
        at = column - int(encoding.starts[category])
        out[:, count + column] = (categories[:, category] == at) & (at >= 0)
    return out


def _category_at(starts: NDArray[np.int32], column: int) -> int:
    """Return the last category that begins at or before ``column``, where ``starts`` ascend."""
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if starts[middle] <= column else (low, middle - 1)
    return low
