"""How rows of any length become a rectangle."""

from dataclasses import dataclass
from math import isinf
from typing import Any, Literal

import numpy as np

from headrace_kernels.launch import MAX_GRID_YZ

MASKS: dict[str, np.dtype[Any]] = {
    "bool": np.dtype(np.bool_),
    "int32": np.dtype(np.int32),
    "int64": np.dtype(np.int64),
}
# Items of a row that a block fills.
BLOCK_ITEMS = 1024
# Of a row of the output: so many blocks are the most that a launch may have side by side.
MAX_ITEMS = MAX_GRID_YZ * BLOCK_ITEMS


@dataclass(frozen=True, kw_only=True, slots=True)
class Padding:
    """`length` places a row: what is missing is `value`, on one `side`.

    Of a row that is longer, the `keep` part stays.
    """

    length: int
    value: float | int = 0
    side: Literal["right", "left"] = "right"
    keep: Literal["first", "last"] = "first"
    mask: Literal["bool", "int32", "int64"] = "int64"

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_ITEMS:
            raise ValueError(f"length is {self.length}: 1 to {MAX_ITEMS} can be had")
        words = {"side": ("right", "left"), "keep": ("first", "last"), "mask": tuple(MASKS)}
        for name, known in words.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}: one of {', '.join(known)}")

    def bits(self, dtype: np.dtype[Any]) -> int:
        """Return `value` as the bits of a ``dtype``.

        Raises:
            ValueError: no ``dtype`` is it: it has a fraction, or is too large.
        """
        with np.errstate(all="ignore"):
            value = np.array(self.value).astype(dtype)
        if dtype.kind in "biu":
            wrong = value != self.value
        else:
            wrong = isinf(float(value)) and not isinf(self.value)
        if wrong:
            raise ValueError(f"value is {self.value!r}: no {dtype} is that")
        return int(value.view(f"u{dtype.itemsize}"))
