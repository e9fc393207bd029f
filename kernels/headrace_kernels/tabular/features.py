"""How columns of numbers and of categories become a row of floats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Features:
    """A batch of rows: numbers [rows, n] of float32, categories [rows, m] of int32, from 0 on."""

    numbers: Any
    categories: Any


@dataclass(frozen=True, slots=True)
class Encoding:
    """What was learned of the columns when the model was trained; on the host or on a device."""

    # float32, [n]: a number becomes (number - mean) * scale.
    mean: Any
    scale: Any
    # int32, [m]: the first one-hot column of each category, counted from 0.
    starts: Any
    # How many one-hot columns there are.
    hot: int
    # What a NaN becomes: 0 is the mean; NaN stays NaN.
    missing: float = float("nan")
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"


def one_hot_starts(sizes: Sequence[int]) -> tuple[NDArray[np.int32], int]:
    """Return `starts` and `hot` of categories that have ``sizes`` values each."""
    if min(sizes, default=1) < 1:
        raise ValueError(f"sizes is {list(sizes)}: a category has one value or more")
    ends = np.cumsum(np.array(sizes, np.int64))
    if len(sizes) and ends[-1] > np.iinfo(np.int32).max:
        raise ValueError(f"{ends[-1]} one-hot columns are too many")
    return (ends - np.array(sizes, np.int64)).astype(np.int32), int(ends[-1]) if len(sizes) else 0
