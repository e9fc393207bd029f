"""Where a resized image lies in the output, or the output in it."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.images.transform import ImageTransform


@dataclass(frozen=True, slots=True)
class Placement:
    resized_height: int
    resized_width: int
    # The slices of the output that the image covers,
    covered: tuple[slice, slice]
    # and which rows and columns of the resized image are there.
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


def placed(height: int, width: int, transform: ImageTransform) -> Placement:
    """Return where an image of ``height`` x ``width`` goes; round() takes a half to even."""
    resized_height, resized_width = _resized(height, width, transform)
    down, rows = _overlap(resized_height, transform.height)
    across, columns = _overlap(resized_width, transform.width)
    return Placement(resized_height, resized_width, (down, across), rows, columns)


def _resized(height: int, width: int, transform: ImageTransform) -> tuple[int, int]:
    if transform.fit == "letterbox":
        if width * transform.height >= height * transform.width:
            return max(1, round(Fraction(height * transform.width, width))), transform.width
        return transform.height, max(1, round(Fraction(width * transform.height, height)))
    if transform.fit == "crop":
        side = transform.resize_to or max(transform.height, transform.width)
        if width <= height:
            return side * height // width, side
        return side, side * width // height
    return transform.height, transform.width


def _overlap(resized: int, wanted: int) -> tuple[slice, NDArray[np.int64]]:
    """Centre ``wanted`` places on ``resized`` ones: return which of each meet."""
    first = round((resized - wanted) / 2)
    begin, end = max(0, -first), min(wanted, resized - first)
    return slice(begin, end), np.arange(begin + first, end + first, dtype=np.int64)
