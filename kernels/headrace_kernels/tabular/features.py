"""How columns of numbers and of categories become a row of floats."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.launch import FLOATS
from headrace_kernels.parameters import number, settle, whole, word

MAX_HOT = 2**31 - 1


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

    def __post_init__(self) -> None:
        settle(
            self,
            hot=whole("hot", self.hot, 0, MAX_HOT),
            missing=number("missing", self.missing),
            dtype=word("dtype", self.dtype, tuple(FLOATS)),
        )


def one_hot_starts(sizes: Sequence[int]) -> tuple[NDArray[np.int32], int]:
    """Return `starts` and `hot` of categories that have ``sizes`` values each."""
    each = [whole("a category's size", size, 1, MAX_HOT) for size in sizes]
    ends = list(accumulate(each, initial=0))
    if ends[-1] > MAX_HOT:
        raise ValueError(f"{ends[-1]} one-hot columns are too many: {MAX_HOT} at most")
    return np.array(ends[:-1], np.int32), ends[-1]
