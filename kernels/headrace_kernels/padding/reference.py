"""`pad_ragged` in NumPy: what it means, written to be read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.padding.padding import MASKS, Padding

Pair = tuple[NDArray[Any], NDArray[Any]]


def pad_ragged(
    values: NDArray[Any], offsets: NDArray[np.int64], padding: Padding, *, out: Pair | None = None
) -> Pair:
    """Return the rows of ``values`` as one rectangle, and its mask: 1 where a row has something.

    ``values`` is flat ([places], tokens) or has one more axis ([places, width], rows of tables).
    Row `i` is ``values[offsets[i] : offsets[i + 1]]``; one that does not lie inside ``values`` is
    taken for empty. Items are moved, not computed: every bit of them, NaN's too, stays.
    """
    rows, width = len(offsets) - 1, values.shape[1:]
    if out is None:
        out = (
            np.empty((rows, padding.length, *width), values.dtype),
            np.empty((rows, padding.length), MASKS[padding.mask]),
        )
    padded, mask = out
    padded[...] = padding.item(values.dtype)
    mask[...] = 0
    for row in range(rows):
        begin, end = int(offsets[row]), int(offsets[row + 1])
        if not 0 <= begin <= end <= len(values):
            continue
        found = values[begin:end]
        kept = found[: padding.length] if padding.keep == "first" else found[-padding.length :]
        first = padding.length - len(kept) if padding.side == "left" else 0
        padded[row, first : first + len(kept)] = kept
        mask[row, first : first + len(kept)] = 1
    return out
