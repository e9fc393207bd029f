"""`encode_features` on a device."""

from typing import Any

import numpy as np

from headrace_kernels import device
from headrace_kernels.launch import (
    FLOATS,
    MAX_GRID_YZ,
    Kernel,
    Launch,
    Machine,
    Result,
    checked,
    output,
    pointer,
)
from headrace_kernels.tabular.features import Encoding, Features

TILE_WIDTH = 32
TILE_HEIGHT = 8

# `struct Table` of encode_features.cu, field by field.
TABLE = np.dtype(
    [
        ("rows", np.int64),
        ("numbers", np.int32),
        ("categories", np.int32),
        ("columns", np.int32),
        ("missing", np.float32),
    ],
    align=True,
)


def kernel(kind: str) -> Kernel:
    """Return the function that writes floats of ``kind``."""
    defines = (("OUTPUT", kind.upper()),)
    return Kernel("tabular/encode_features.cu", "encode_features", defines)


def encode_features(
    features: Features,
    encoding: Encoding,
    *,
    out: Any = None,
    machine: Machine | None = None,
) -> Any:
    """Return the encoded rows, in one launch on CuPy's current stream.

    The arguments are those of the reference, on the device. Nothing is allocated when ``out`` is
    given, nothing is copied from the host and nothing waits.

    The result is the reference's, to the bit; a NaN may have other bits.
    """
    machine = machine or device.current()
    numbers = checked(machine.view(features.numbers, "numbers"), np.float32, (None, None))
    rows, count = numbers.shape
    categories = machine.view(features.categories, "categories")
    checked(categories, np.int32, (rows, None))
    mean = checked(machine.view(encoding.mean, "mean"), np.float32, (count,))
    scale = checked(machine.view(encoding.scale, "scale"), np.float32, (count,))
    kinds = categories.shape[1]
    starts = checked(machine.view(encoding.starts, "starts"), np.int32, (kinds,))
    if (encoding.hot > 0) != (kinds > 0):
        raise ValueError(f"hot is {encoding.hot}, and there are {kinds} categories")
    columns = count + encoding.hot
    if columns > TILE_WIDTH * MAX_GRID_YZ:
        raise ValueError(f"{columns} columns are too many: {TILE_WIDTH * MAX_GRID_YZ} at most")
    inputs = numbers, mean, scale, categories, starts
    out, target = output(
        machine, out, Result("out", FLOATS[encoding.dtype], (rows, columns)), inputs
    )
    if rows == 0 or columns == 0:
        return out
    table = np.zeros((), TABLE)
    table["rows"], table["numbers"], table["categories"] = rows, count, kinds
    table["columns"], table["missing"] = columns, encoding.missing
    machine.launch(
        Launch(
            kernel(encoding.dtype),
            (-(-rows // TILE_HEIGHT), -(-columns // TILE_WIDTH), 1),
            (TILE_WIDTH, TILE_HEIGHT, 1),
            (*map(pointer, (*inputs, target)), table),
        )
    )
    return out
