"""`pad_ragged` on a device."""

from math import prod
from typing import Any

import numpy as np

from headrace_kernels import device
from headrace_kernels.launch import Kernel, Launch, Machine, Result, checked, output, pointer
from headrace_kernels.padding.padding import BLOCK_ITEMS, MASKS, MAX_ITEMS, Padding

THREADS = 256

# `struct Padding` of pad_ragged.cu, field by field.
PADDING = np.dtype(
    [
        ("total", np.int64),
        ("value", np.uint64),
        ("length", np.int32),
        ("width", np.int32),
        ("left", np.int32),
        ("last", np.int32),
    ],
    align=True,
)


def kernel(item_bytes: int, mask_bytes: int) -> Kernel:
    """Return the function that moves items of ``item_bytes``."""
    defines = (("BYTES", item_bytes), ("MASK_BYTES", mask_bytes))
    return Kernel("padding/pad_ragged.cu", "pad_ragged", defines)


def pad_ragged(
    values: Any,
    offsets: Any,
    padding: Padding,
    *,
    out: tuple[Any, Any] | None = None,
    machine: Machine | None = None,
) -> tuple[Any, Any]:
    """Return the rectangle and the mask, in one launch on CuPy's current stream.

    The arguments are those of the reference, on the device; items have 1, 2, 4 or 8 bytes. Nothing
    is allocated when ``out`` is given, nothing is copied from the host and nothing waits.

    The result is the reference's, to the bit.
    """
    machine = machine or device.current()
    seen = machine.view(values, "values")
    places, width = seen.shape[:1], seen.shape[1:]
    plain = seen.dtype.itemsize in (1, 2, 4, 8) and not seen.dtype.hasobject
    if not plain or not places or len(width) > 1 or width == (0,):
        found = f"values is {seen.dtype}{list(seen.shape)}"
        raise TypeError(f"{found}: one or two axes of plain numbers are padded")
    checked(seen, seen.dtype, seen.shape)
    starts = checked(machine.view(offsets, "offsets"), np.int64, (None,))
    if starts.shape == (0,):
        raise ValueError("offsets is empty; it must have one more than there are rows")
    items = padding.length * prod(width)
    if items > MAX_ITEMS:
        raise ValueError(f"a row of {items} items is too long: {MAX_ITEMS} at most")
    rows = starts.shape[0] - 1
    padded, mask = out or (None, None)
    shape = rows, padding.length
    inputs = seen, starts
    padded, places_of = output(
        machine, padded, Result("padded", seen.dtype, (*shape, *width)), inputs
    )
    mask, marks = output(
        machine, mask, Result("mask", MASKS[padding.mask], shape), (*inputs, places_of)
    )
    if rows == 0:
        return padded, mask
    told = np.zeros((), PADDING)
    told["total"], told["width"] = places[0], prod(width)
    told["value"], told["length"] = padding.bits(seen.dtype), padding.length
    told["left"], told["last"] = padding.side == "left", padding.keep == "last"
    machine.launch(
        Launch(
            kernel(seen.dtype.itemsize, MASKS[padding.mask].itemsize),
            (rows, max(1, -(-items // BLOCK_ITEMS)), 1),
            (THREADS, 1, 1),
            (*map(pointer, (*inputs, places_of, marks)), told),
        )
    )
    return padded, mask
