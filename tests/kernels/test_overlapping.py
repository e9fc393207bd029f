"""Results go where nothing lies that a kernel still reads or writes, whoever holds the memory."""

import ctypes
from math import prod
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.kernels.implementations import each_array
from tests.kernels.shim.machine import Shim

from headrace_kernels.audio.clips import RaggedClips, Spectrogram
from headrace_kernels.audio.filters import mel_filters
from headrace_kernels.detection.boxes import RaggedBoxes, Suppression
from headrace_kernels.images.ragged import packed
from headrace_kernels.images.transform import ImageTransform
from headrace_kernels.padding.padding import Padding
from headrace_kernels.table import TABLE
from headrace_kernels.tabular.features import Encoding, Features

THREE = np.ones(3, np.float32)
FLOAT, INT, LONG = np.dtype(np.float32), np.dtype(np.int32), np.dtype(np.int64)
# What each is called with, and what comes of it.
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, tuple[Any, tuple[int, ...]]]]] = {
    "preprocess_images": (
        (packed([np.zeros((4, 4, 3), np.uint8)]), ImageTransform(height=2, width=2)),
        {"out": (FLOAT, (1, 3, 2, 2))},
    ),
    "pad_ragged": (
        (np.arange(9, dtype=np.uint8), np.array([0, 4, 9]), Padding(length=8)),
        {"padded": (np.dtype(np.uint8), (2, 8)), "mask": (LONG, (2, 8))},
    ),
    "softmax_top_k": (
        (np.ones((2, 5), np.float32), 2),
        {"probabilities": (FLOAT, (2, 2)), "indices": (LONG, (2, 2))},
    ),
    "log_mel": (
        (
            RaggedClips(np.zeros(500, np.float32), np.array([0, 500])),
            mel_filters(16_000, 400, 4),
            Spectrogram(hop=160, frames=3),
        ),
        {"features": (FLOAT, (1, 4, 3)), "counts": (INT, (1,))},
    ),
    "suppress_boxes": (
        (
            RaggedBoxes(np.ones((3, 4), np.float32), THREE, np.ones(3, np.int32), np.array([0, 3])),
            Suppression(overlap=0.5, most=4),
        ),
        {"indices": (LONG, (1, 4)), "counts": (INT, (1,))},
    ),
    "encode_features": (
        (
            Features(np.ones((2, 3), np.float32), np.ones((2, 1), np.int32)),
            Encoding(THREE, THREE.copy(), np.zeros(1, np.int32), 2),
        ),
        {"out": (FLOAT, (2, 5))},
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_results_may_touch_and_not_overlap(name: str, shim: Shim) -> None:
    arguments, results = CALLS[name]
    read: list[NDArray[Any]] = []

    def seen(array: NDArray[Any]) -> NDArray[Any]:
        read.append(array)
        return array

    for one in arguments:
        each_array(one, seen)

    def launch(out: list[NDArray[Any]]) -> None:
        given = out[0] if len(out) == 1 else tuple(out)
        TABLE[name].launcher(*arguments, out=given, machine=shim)

    # One behind the other, without a gap.
    room, fine = np.zeros(1024, np.uint8), []
    begin = room.ctypes.data
    for told in results.values():
        fine.append(at(begin, *told))
        begin += fine[-1].nbytes
    launch(fine)
    assert len(shim.launches) == 1
    for which, (result, told) in enumerate(results.items()):
        for array in [*read, *fine[:which]]:
            for over in overlapping(array, *told):
                out = [over if place == which else one for place, one in enumerate(fine)]
                with pytest.raises(ValueError, match=f"^{result} lies in the memory of "):
                    launch(out)
    assert len(shim.launches) == 1


def at(address: int, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array there, whose base is that of no other."""
    memory = (ctypes.c_char * (prod(shape) * dtype.itemsize)).from_address(address)
    return np.frombuffer(memory, dtype).reshape(shape)


def overlapping(array: NDArray[Any], dtype: Any, shape: tuple[int, ...]) -> list[NDArray[Any]]:
    """Return arrays, which nobody may touch, that have the first or last of its bytes in common."""
    last = array.ctypes.data + array.nbytes - 1
    size = prod(shape) * dtype.itemsize
    first = -(-(array.ctypes.data + 1 - size) // dtype.itemsize) * dtype.itemsize
    return [at(begin, dtype, shape) for begin in (last - last % dtype.itemsize, first)]
