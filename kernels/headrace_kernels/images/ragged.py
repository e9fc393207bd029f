"""Images of any size in one flat buffer: what a batch of decoded files is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.images.transform import MAX_SIDE


@dataclass(frozen=True, slots=True)
class RaggedImages:
    """A batch: bytes, and where in them each image lies. On the host or on a device, all three.

    A part of an image is cut out, at no cost, by where it begins and by its sizes.
    """

    # uint8, flat: rows of interleaved channels.
    pixels: Any
    # int64: the byte where image `i` begins. Of a video's pictures [images, planes]: where each
    # plane does.
    offsets: Any
    # int32, [images, 3]: its height, its width, and the bytes from one row to the next. NV12's rows
    # of chroma are as far apart, I420's half as far (a half rounded up).
    sizes: Any


def packed(images: Sequence[NDArray[np.uint8]]) -> RaggedImages:
    """Return ``images``, each [height, width, channels], in one buffer on the host.

    Raises:
        TypeError: one is not uint8, or has other channels than the first, which has 1 or 3.
        ValueError: one has a side that no transform takes.
    """
    for image in images:
        found = f"an image is {image.dtype}{list(image.shape)}"
        if image.ndim != 3 or image.dtype != np.uint8:
            raise TypeError(f"{found}, not uint8 of three axes")
        if image.shape[2] not in (1, 3) or image.shape[2] != images[0].shape[2]:
            raise TypeError(f"{found}: all images of a batch have 1 channel, or all 3")
        if not (1 <= image.shape[0] <= MAX_SIDE and 1 <= image.shape[1] <= MAX_SIDE):
            raise ValueError(f"{found}: sides are 1 to {MAX_SIDE}")
    offsets = np.zeros(len(images), np.int64)
    np.cumsum([image.size for image in images[:-1]], out=offsets[1:])
    sizes = np.array(
        [(height, width, width * channels) for height, width, channels in map(np.shape, images)],
        np.int32,
    ).reshape(-1, 3)
    pixels = np.concatenate([np.zeros(0, np.uint8), *(image.reshape(-1) for image in images)])
    return RaggedImages(pixels, offsets, sizes)
