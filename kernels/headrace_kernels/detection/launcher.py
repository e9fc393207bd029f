"""`suppress_boxes` on a device."""

from typing import Any

import numpy as np

from headrace_kernels import device
from headrace_kernels.detection.boxes import RaggedBoxes, Suppression
from headrace_kernels.launch import (
    Kernel,
    Launch,
    Machine,
    Result,
    aligned,
    checked,
    output,
    pointer,
)

THREADS = 512
KERNEL = Kernel("detection/suppress_boxes.cu", "suppress_boxes")

# `struct Limits` of suppress_boxes.cu, field by field.
LIMITS = np.dtype(
    [("total", np.int64), ("overlap", np.float32), ("score", np.float32), ("most", np.int32)],
    align=True,
)


def suppress_boxes(
    boxes: RaggedBoxes,
    suppression: Suppression,
    *,
    out: tuple[Any, Any] | None = None,
    machine: Machine | None = None,
) -> tuple[Any, Any]:
    """Return which boxes are kept, and how many, in one launch on CuPy's current stream.

    The arguments are those of the reference, on the device; `boxes` begins at a multiple of
    16 bytes. Nothing is allocated when ``out`` is given, nothing is copied from the host and
    nothing waits.

    The result is the reference's.
    """
    machine = machine or device.current()
    corners = checked(machine.view(boxes.boxes, "boxes"), np.float32, (None, 4))
    aligned(corners, 16)
    total = corners.shape[0]
    scores = checked(machine.view(boxes.scores, "scores"), np.float32, (total,))
    classes = checked(machine.view(boxes.classes, "classes"), np.int32, (total,))
    offsets = checked(machine.view(boxes.offsets, "offsets"), np.int64, (None,))
    if offsets.shape == (0,):
        raise ValueError("offsets is empty; it must have one more than there are images")
    images = offsets.shape[0] - 1
    indices, counts = out or (None, None)
    shape = (images, suppression.most)
    inputs = corners, scores, classes, offsets
    indices, rows = output(machine, indices, Result("indices", np.dtype(np.int64), shape), inputs)
    counts, totals = output(
        machine, counts, Result("counts", np.dtype(np.int32), (images,)), (*inputs, rows)
    )
    if images == 0:
        return indices, counts
    limits = np.zeros((), LIMITS)
    limits["total"], limits["most"] = total, suppression.most
    limits["overlap"], limits["score"] = suppression.overlap, suppression.score
    arguments = (*map(pointer, (*inputs, rows, totals)), limits)
    machine.launch(Launch(KERNEL, (images, 1, 1), (THREADS, 1, 1), arguments))
    return indices, counts
