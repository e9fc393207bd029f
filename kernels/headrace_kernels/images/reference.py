"""`preprocess_images` in NumPy: what it means, written to be read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.images import weights
from headrace_kernels.images.placement import Placement, placed
from headrace_kernels.images.ragged import RaggedImages
from headrace_kernels.images.transform import DTYPES, ImageTransform
from headrace_kernels.images.video import rgb


def preprocess_images(
    images: RaggedImages, transform: ImageTransform, *, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return the tensor that ``images`` become.

    An image that does not lie inside ``pixels``, or has a side below 1 or above 65,535, is not
    read: its output is `fill`. That keeps memory safe, and is no check of a caller's sizes.

    Held by the tests, on photos: with `antialias`, levels are Pillow's, all of them, where Pillow
    goes across before it goes down (those before 13 always); without, they are within 0.001
    of torch's `interpolate` in double precision; `nearest` takes the pixel that Pillow takes, but
    on a border of two.
    """
    count = len(images.offsets)
    if out is None:
        out = np.empty(transform.shape(count), DTYPES[transform.dtype])
    mean, scale = np.array([transform.mean, transform.scale], np.float32)
    for index in range(count):
        levels = np.full(
            (transform.height, transform.width, transform.channels), transform.fill, np.float32
        )
        source = _source(images, index, transform)
        if source is not None:
            placement = placed(source.shape[0], source.shape[1], transform)
            levels[placement.covered] = _resized(source, placement, transform)
        if transform.reverse_channels:
            levels = levels[..., ::-1]
        values = (levels - mean) * scale
        if transform.dtype == "uint8":
            values = np.clip(np.rint(values), 0, 255)
        out[index] = values.transpose(2, 0, 1) if transform.layout == "NCHW" else values
    return out


def _source(
    images: RaggedImages, index: int, transform: ImageTransform
) -> NDArray[np.uint8] | None:
    """Return one image as [height, width, channels], or None if it does not lie in the buffer."""
    height, width, stride = (int(number) for number in images.sizes[index])
    if not (1 <= height <= 65_535 and 1 <= width <= 65_535):
        return None
    starts = [int(start) for start in np.atleast_1d(images.offsets[index])]
    rows, half = (height + 1) // 2, (width + 1) // 2
    shapes = {
        "interleaved": [(height, width, transform.channels, stride)],
        "nv12": [(height, width, 1, stride), (rows, half, 2, stride)],
        "i420": [(height, width, 1, stride), *[(rows, half, 1, (stride + 1) // 2)] * 2],
    }[transform.source]
    found = [
        _plane(images.pixels, start, shape) for start, shape in zip(starts, shapes, strict=True)
    ]
    planes = [plane for plane in found if plane is not None]
    if len(planes) < len(shapes):
        return None
    if transform.source == "interleaved":
        return planes[0]
    # NV12's one plane of pairs, or I420's two: either way U comes first.
    u, v = np.concatenate(planes[1:], -1).transpose(2, 0, 1)
    return rgb(planes[0][..., 0], u, v, transform)


def _plane(
    pixels: NDArray[np.uint8], start: int, shape: tuple[int, int, int, int]
) -> NDArray[np.uint8] | None:
    """Return a part of the buffer as [rows, width, channels], or None if it is not inside."""
    rows, width, channels, stride = shape
    row = width * channels
    if stride < row or start < 0 or start + (rows - 1) * stride + row > len(pixels):
        return None
    return np.lib.stride_tricks.as_strided(
        pixels[start:], (rows, width, channels), (stride, channels, 1), writeable=False
    )


def _resized(
    source: NDArray[np.uint8], placement: Placement, transform: ImageTransform
) -> NDArray[np.float32]:
    """Return the levels of those output pixels that the image covers."""
    height, width = source.shape[:2]
    rows = placement.rows, placement.resized_height, height
    columns = placement.columns, placement.resized_width, width
    if transform.filter == "nearest":
        picked = source[weights.nearest(*rows)][:, weights.nearest(*columns)]
        return picked.astype(np.float32)
    if transform.antialias:
        across = weights.antialiased(*columns, transform.filter)
        down = weights.antialiased(*rows, transform.filter)
        return _eight_bit(_eight_bit(source, across, 1), down, 0).astype(np.float32)
    across_floats = weights.interpolated(*columns, transform.filter)
    down_floats = weights.interpolated(*rows, transform.filter)
    levels = _floats(_floats(source.astype(np.float32), across_floats, 1), down_floats, 0)
    return np.clip(levels, np.float32(0), np.float32(255))


def _eight_bit(
    levels: NDArray[np.uint8], taps: weights.Taps[np.int32], axis: int
) -> NDArray[np.uint8]:
    """Return weighted sums along ``axis``, rounded to levels; weights are in 22 bits."""
    sums = np.full(1, 1 << 21, np.int32)
    for at, weight in taps.each(axis):
        sums = sums + np.take(levels, at, axis).astype(np.int32) * weight
    rounded: NDArray[np.uint8] = np.clip(sums >> 22, 0, 255).astype(np.uint8)
    return rounded


def _floats(
    levels: NDArray[np.float32], taps: weights.Taps[np.float32], axis: int
) -> NDArray[np.float32]:
    sums = np.zeros(1, np.float32)
    for at, weight in taps.each(axis):
        sums = sums + weight * np.take(levels, at, axis)
    return sums
