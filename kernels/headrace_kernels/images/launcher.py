"""`preprocess_images` on a device."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace_kernels import device
from headrace_kernels.images.ragged import RaggedImages
from headrace_kernels.images.transform import DTYPES, PLANES, WORDS, ImageTransform
from headrace_kernels.images.video import colours
from headrace_kernels.launch import (
    MAX_GRID_YZ,
    Kernel,
    Launch,
    Machine,
    Result,
    aligned,
    checked,
    output,
    pointer,
)

# The tile of the output that a block makes, and the rows of its threads: in both .cu files.
TILE_WIDTH, TILE_HEIGHT, THREAD_ROWS = 32, 16, 8
TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}

# `struct Batch` of image.cuh, field by field.
BATCH = np.dtype(
    [
        ("bytes", np.int64),
        ("channel_step", np.int64),
        ("pixel_step", np.int64),
        ("fit", np.int32),
        ("height", np.int32),
        ("width", np.int32),
        ("resize_to", np.int32),
        ("reversed", np.int32),
        ("fill", np.float32),
        ("mean", np.float32, 3),
        ("scale", np.float32, 3),
        ("colours", np.int32, 6),
    ],
    align=True,
)


def kernel(transform: ImageTransform) -> Kernel:
    """Return the function that ``transform`` needs: one a choice that inner loops depend on."""
    chosen: tuple[tuple[str, int | str], ...] = (
        ("CHANNELS", transform.channels),
        ("SOURCE", transform.source.upper()),
        ("OUTPUT", transform.dtype.upper()),
    )
    if transform.antialias and transform.filter != "nearest":
        return Kernel(
            "images/antialias.cu", "antialias", (*chosen, ("FILTER", transform.filter.upper()))
        )
    return Kernel(
        "images/interpolate.cu", "interpolate", (*chosen, ("TAPS", TAPS[transform.filter]))
    )


def _batch(transform: ImageTransform) -> NDArray[Any]:
    planes = transform.layout == "NCHW"
    batch = np.zeros((), BATCH)
    batch["channel_step"] = transform.height * transform.width if planes else 1
    batch["pixel_step"] = 1 if planes else transform.channels
    batch["fit"] = WORDS["fit"].index(transform.fit)
    batch["height"], batch["width"] = transform.height, transform.width
    batch["resize_to"] = transform.resize_to or max(transform.height, transform.width)
    batch["reversed"], batch["fill"] = transform.reverse_channels, transform.fill
    batch["mean"][: transform.channels] = transform.mean
    batch["scale"][: transform.channels] = transform.scale
    batch["colours"] = colours(transform)
    return batch


def preprocess_images(
    images: RaggedImages,
    transform: ImageTransform,
    *,
    out: Any = None,
    machine: Machine | None = None,
) -> Any:
    """Return the tensor that ``images`` become, in one launch on CuPy's current stream.

    The arguments are those of the reference, on the device; `pixels` begins at a multiple of
    4 bytes (rows and images may begin anywhere). Nothing is allocated when ``out`` is given,
    nothing is copied from the host and nothing waits, so that a CUDA graph can hold it.

    The result is the reference's, to the bit.
    """
    machine = machine or device.current()
    pixels = checked(machine.view(images.pixels, "pixels"), np.uint8, (None,))
    aligned(pixels, 4)
    planes = PLANES[transform.source]
    each = () if planes == 1 else (planes,)
    offsets = checked(machine.view(images.offsets, "offsets"), np.int64, (None, *each))
    count = offsets.shape[0]
    if count > MAX_GRID_YZ:
        raise ValueError(f"{count} images are too many for one launch: {MAX_GRID_YZ} at most")
    sizes = checked(machine.view(images.sizes, "sizes"), np.int32, (count, 3))
    inputs = pixels, offsets, sizes
    out, target = output(
        machine, out, Result("out", DTYPES[transform.dtype], transform.shape(count)), inputs
    )
    if count == 0:
        return out
    batch = _batch(transform)
    batch["bytes"] = pixels.shape[0]
    machine.launch(
        Launch(
            kernel(transform),
            (-(-transform.width // TILE_WIDTH), -(-transform.height // TILE_HEIGHT), count),
            (TILE_WIDTH, THREAD_ROWS, 1),
            (*map(pointer, (*inputs, target)), batch),
        )
    )
    return out
