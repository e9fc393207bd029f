"""`suppress_boxes` in NumPy: what it means, written to be read."""

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.detection.boxes import CAPACITY, RaggedBoxes, Suppression

Pair = tuple[NDArray[np.int64], NDArray[np.int32]]


def suppress_boxes(
    boxes: RaggedBoxes, suppression: Suppression, *, out: Pair | None = None
) -> Pair:
    """Return which boxes of each image are kept, counted from its first, and how many.

    The first is [images, most], the better score first, the smaller index among equals; -1 behind
    the last. Of an image's boxes the 1,024 best are looked at. A box whose score is NaN is not, one
    with a NaN in its corners covers nothing. An image whose boxes do not lie inside ``boxes``
    has none.

    Held by the tests: what is kept is what torchvision's `nms` keeps, class by class.
    """
    images = len(boxes.offsets) - 1
    if out is None:
        out = np.empty((images, suppression.most), np.int64), np.empty(images, np.int32)
    out[0][...] = -1
    for image in range(images):
        begin, end = int(boxes.offsets[image]), int(boxes.offsets[image + 1])
        inside = 0 <= begin <= end <= len(boxes.boxes)
        part = slice(begin, end) if inside else slice(0)
        kept = _kept(boxes.boxes[part], boxes.scores[part], boxes.classes[part], suppression)
        out[0][image, : len(kept)] = kept
        out[1][image] = len(kept)
    return out


def _kept(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    classes: NDArray[np.int32],
    suppression: Suppression,
) -> list[int]:
    (found,) = np.nonzero(scores > np.float32(suppression.score))
    waiting = found[np.argsort(-scores[found], kind="stable")][:CAPACITY]
    kept: list[int] = []
    while len(waiting) and len(kept) < suppression.most:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        overlap = _overlap(boxes[best], boxes[waiting])
        covered = (overlap > np.float32(suppression.overlap)) & (classes[waiting] == classes[best])
        waiting = waiting[~covered]
    return kept


def _overlap(one: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the area of ``one`` and each other that is in both, by that which is in either."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        size = np.fmin(one[2:], others[:, 2:]) - np.fmax(one[:2], others[:, :2])
        both = np.fmax(np.float32(0), size).prod(1)
        areas = (others[:, 2:] - others[:, :2]).prod(1)
        overlap: NDArray[np.float32] = both / ((one[2:] - one[:2]).prod() + areas - both)
    return overlap
