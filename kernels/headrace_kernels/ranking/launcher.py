"""`softmax_top_k` on a device."""

from typing import Any

import numpy as np

from headrace_kernels import device
from headrace_kernels.launch import FLOATS, Kernel, Launch, Machine, checked, output, pointer

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
    checked(seen, "logits", seen.dtype, (None, None))
    rows, classes = seen.shape
    if not 1 <= k <= min(MAX_K, classes):
        raise ValueError(f"k is {k}: 1 to {min(MAX_K, classes)} of {classes} classes can be had")
    probabilities, indices = out or (None, None)
    probabilities = output(machine, probabilities, np.dtype(np.float32), (rows, k), "probabilities")
    indices = output(machine, indices, np.dtype(np.int64), (rows, k), "indices")
    if rows == 0:
        return probabilities, indices
    arrays = seen, machine.view(probabilities, "probabilities"), machine.view(indices, "indices")
    machine.launch(
        Launch(
            kernel(seen.dtype.name, k),
            (rows, 1, 1),
            (THREADS, 1, 1),
            (*map(pointer, arrays), np.array(classes, np.int32)),
        )
    )
    return probabilities, indices
