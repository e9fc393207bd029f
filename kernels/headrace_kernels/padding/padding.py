"""How rows of any length become a rectangle."""

from contextlib import suppress
from dataclasses import dataclass
from math import isfinite, isinf, isnan
from typing import Any, Literal

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from headrace_kernels.launch import MAX_GRID_YZ
from headrace_kernels.parameters import number, settle, whole, word

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
        words = {"side": ("right", "left"), "keep": ("first", "last"), "mask": tuple(MASKS)}
        settle(
            self,
            length=whole("length", self.length, 1, MAX_ITEMS),
            **{name: word(name, getattr(self, name), known) for name, known in words.items()},
        )
        value = self.value
        if not isinstance(value, bool | np.bool_):
            number("value", value)
        # Whole numbers stay whole: a float has not all of 64 bits.
        settle(self, value=value.item() if isinstance(value, np.generic) else value)

    def item(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return `value` as a ``dtype``: bool, whole numbers and floats, ml_dtypes' among them.

        Raises:
            TypeError: of such items no `value` can be one.
            ValueError: no ``dtype`` is it: it has a fraction, or is too large.
        """
        limits = _limits(dtype)
        if limits is None:
            raise TypeError(f"items of {dtype} are not padded: expected bool, integers or floats")
        least, most, kind = limits
        odd = isinstance(self.value, float) and not isfinite(self.value)
        fits = odd or least <= self.value <= most
        if kind is int:
            fits = fits and not odd and self.value == int(self.value)
        if fits:
            with np.errstate(all="ignore"):
                found = np.array(kind(self.value)).astype(dtype)
            # There are floats without NaN, and without infinity.
            back = float(found.astype(np.float64))
            fits = (isnan(back), isinf(back)) == (isnan(self.value), isinf(self.value))
        if not fits:
            raise ValueError(f"value is {self.value!r}: no {dtype} is that")
        return found

    def bits(self, dtype: np.dtype[Any]) -> int:
        """Return `value` as the bits of a ``dtype``, or raise as `item` does."""
        return int(self.item(dtype).view(f"u{dtype.itemsize}"))


def _limits(dtype: np.dtype[Any]) -> tuple[Any, Any, type[int] | type[float]] | None:
    """Return the least and the largest number of a type, and what is cast to it."""
    if dtype.kind == "b":
        return 0, 1, int
    if dtype.kind in "iufV" and dtype.names is None:
        for limits, kind in ((ml_dtypes.iinfo, int), (ml_dtypes.finfo, float)):
            with suppress(ValueError):
                found = limits(dtype)
                return kind(found.min), kind(found.max), kind
    return None
