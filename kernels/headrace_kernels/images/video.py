"""From a video's luma and chroma to red, green and blue."""

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.images.transform import ImageTransform

# The shares of red and blue in luma, by the standard's name.
_SHARES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


def colours(transform: ImageTransform) -> NDArray[np.int32]:
    """Return black, and the factors of luma, V in red, U and V in green, U in blue, in 16 bits.

    Of a limited range luma is 16 to 235 and chroma 16 to 240.
    """
    red, blue = _SHARES[transform.colours]
    green = 1 - red - blue
    black, luma, chroma = (0, 1.0, 1.0) if transform.full_range else (16, 255 / 219, 255 / 224)
    v, u = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    factors = np.array([luma, v, -u * blue / green, -v * red / green, u]) * (1 << 16)
    return np.array([black, *np.rint(factors)], np.int32)


def rgb(
    luma: NDArray[np.uint8], u: NDArray[np.uint8], v: NDArray[np.uint8], transform: ImageTransform
) -> NDArray[np.uint8]:
    """Return the picture of ``luma`` [height, width], a chroma for each 2 x 2 of its pixels."""
    height, width = luma.shape
    black, of_luma, red_v, green_u, green_v, blue_u = colours(transform)
    light = (luma.astype(np.int32) - black) * of_luma + (1 << 15)
    wide_u, wide_v = (
        chroma.repeat(2, 0)[:height].repeat(2, 1)[:, :width].astype(np.int32) - 128
        for chroma in (u, v)
    )
    green = light + green_u * wide_u + green_v * wide_v
    sums = np.stack([light + red_v * wide_v, green, light + blue_u * wide_u], -1)
    levels: NDArray[np.uint8] = np.clip(sums >> 16, 0, 255).astype(np.uint8)
    return levels
