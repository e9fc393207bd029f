"""`softmax_top_k` on a device."""

from typing import Any

import numpy as np

from headrace_kernels import device
from headrace_kernels.launch import (
    FLOATS,
    Kernel,
    Launch,
    Machine,
    Result,
    checked,
    output,
    pointer,
)
from headrace_kernels.parameters import whole

THREADS = 256
# The k best of a thread are in registers; more of them would not be.
MAX_K = 16


def kernel(kind: str, k: int) -> Kernel:
    """Return the function for logits of ``kind``."""
    defines = (("INPUT", kind.upper()), ("K", k))
    return Kernel("ranking/softmax_top_k.cu", "softmax_top_k", defines, fused_multiply_add=True)


def softmax_top_k(
    logits: Any, k: int, *, out: tuple[Any, Any] | None = None, machine: Machine | None = None
) -> tuple[Any, Any]:
    """Return probabilities and classes, in one launch on CuPy's current stream.

    The arguments are those of the reference, on the device; ``k`` is 16 at most. Nothing is
    allocated when ``out`` is given, nothing is copied from the host and nothing waits.

    Classes are the reference's, and probabilities within 1e-6 of its.
    """
    machine = machine or device.current()
    seen = machine.view(logits, "logits")
    if seen.dtype.name not in FLOATS:
        raise TypeError(f"logits is {seen.dtype}; it must be one of {', '.join(FLOATS)}")
    checked(seen, seen.dtype, (None, None))
    rows, classes = seen.shape
    k = whole("k", k, 1, min(MAX_K, classes))
    probabilities, indices = out or (None, None)
    probabilities, shares = output(
        machine, probabilities, Result("probabilities", np.dtype(np.float32), (rows, k)), (seen,)
    )
    indices, places = output(
        machine, indices, Result("indices", np.dtype(np.int64), (rows, k)), (seen, shares)
    )
    if rows == 0:
        return probabilities, indices
    machine.launch(
        Launch(
            kernel(seen.dtype.name, k),
            (rows, 1, 1),
            (THREADS, 1, 1),
            (*map(pointer, (seen, shares, places)), np.array(classes, np.int32)),
        )
    )
    return probabilities, indices
