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
    """
    numbers, categories = features.numbers, features.categories
    rows, count = numbers.shape
    if out is None:
        out = np.empty((rows, count + encoding.hot), FLOATS[encoding.dtype])
    standardised = (numbers - encoding.mean) * encoding.scale
    out[:, :count] = np.where(np.isnan(numbers), np.float32(encoding.missing), standardised)
    ends = np.append(encoding.starts[1:], encoding.hot)
    for category, (start, end) in enumerate(zip(encoding.starts, ends, strict=False)):
        hot = categories[:, category, None] == np.arange(end - start)
        out[:, count + start : count + end] = hot
    return out
