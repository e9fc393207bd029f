"""What `preprocess_images` of the core says of arguments that cannot be."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import headrace_core
import numpy as np
import pytest

from headrace_kernels.images.ragged import RaggedImages, packed
from headrace_kernels.images.transform import ImageTransform

IMAGES = packed([np.full((4, 4, 3), 9, np.uint8), np.full((5, 6, 3), 7, np.uint8)])
TRANSFORM = ImageTransform(height=2, width=2)


def told(transform: ImageTransform = TRANSFORM, **other: Any) -> Any:
    """Return what has the attributes of ``transform``, but for those that no ImageTransform has."""
    known = {name: getattr(transform, name) for name in ImageTransform.__slots__}
    return SimpleNamespace(**{**known, **other})


def misaligned(array: Any) -> Any:
    room = np.zeros(array.nbytes + 1, np.uint8)[1:]
    there = room.view(array.dtype).reshape(array.shape)
    there[...] = array
    return there


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pixels": IMAGES.pixels.astype(np.int8)}, r"pixels is int8 of shape \(138,\); expected"),
        (
            {"pixels": IMAGES.pixels.reshape(2, -1)},
            r"uint8 of shape \(2, 69\); expected .+ one axis",
        ),
        ({"pixels": b"bytes"}, "pixels is b'bytes'; expected a NumPy array of uint8"),
        ({"pixels": IMAGES.pixels[::2]}, "pixels must be contiguous, in C order"),
        ({"offsets": IMAGES.offsets.astype(">i8")}, r"offsets is >i8 of shape .+ array of int64"),
        ({"offsets": misaligned(IMAGES.offsets)}, "offsets begins at address .+ multiple of 8"),
        ({"sizes": misaligned(IMAGES.sizes)}, "sizes begins at address .+ multiple of 4"),
        ({"sizes": np.asfortranarray(IMAGES.sizes)}, "sizes must be contiguous, in C order"),
        ({"sizes": IMAGES.sizes.astype(np.int64)}, "sizes is int64 of shape .+ array of int32"),
        ({"sizes": IMAGES.sizes[:1]}, r"expected sizes of \[images, 3\] and 1 offsets an image"),
    ],
)
def test_arrays_that_cannot_be_read_are_told_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        headrace_core.preprocess_images(replace(IMAGES, **wrong), TRANSFORM)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"height": 9.7}, r"height is 9\.7; expected a whole number from 0 on"),
        ({"width": "1"}, "width is '1'; expected a whole number"),
        ({"resize_to": 127.5}, r"resize_to is 127\.5; expected a whole number from 0 on, or None"),
        ({"channels": -1}, "channels is -1; expected a whole number"),
        ({"fill": 256}, "fill is 256; expected a whole number from 0 to 255"),
        ({"antialias": 1}, "antialias is 1; expected True or False"),
        ({"mean": 3}, "mean is 3; expected a number for each channel"),
        ({"scale": ("1", 1, 1)}, r"scale is \('1', 1, 1\); expected a number for each channel"),
        ({"mean": (0.0, 0.0)}, "mean is .+: a finite number for each channel"),
        ({"filter": 3}, "filter is 3; expected a word"),
        ({"filter": "lanczos"}, "filter: expected one of nearest, bilinear, bicubic, got .lanczos"),
        ({"height": 0}, "height is 0: 1 to 16384"),
    ],
)
def test_a_transform_that_cannot_be_is_told_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        headrace_core.preprocess_images(IMAGES, told(**wrong))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"threads": 0}, "threads is 0; expected 1 or more"),
        ({"threads": -3}, "threads is -3; expected 1 or more"),
        ({"out": [1, 2]}, r"out is \[1, 2\]; expected a NumPy array"),
        (
            {"out": np.empty((2, 3, 2, 2))},
            r"out is float64 of shape \(2, 3, 2, 2\); expected float32 of shape",
        ),
        ({"out": np.empty((2, 3, 2, 4), np.float32)[..., ::2]}, "writeable and in C order"),
    ],
)
def test_what_cannot_be_done_is_told(how: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        headrace_core.preprocess_images(IMAGES, TRANSFORM, **how)


@pytest.mark.parametrize("name", ["pixels", "offsets", "sizes"])
def test_out_may_lie_in_no_input_whoever_holds_the_memory(name: str) -> None:
    room = bytearray(1024)
    whole = np.frombuffer(room, np.uint8)
    array = getattr(IMAGES, name)
    there = np.frombuffer(room, array.dtype, array.size, 96).reshape(array.shape)
    there[...] = array
    for memory in (room, whole, whole.data):
        # The first bytes of the input are the last of the output, and the other way about.
        for begin in (4, 96 + (array.nbytes - 1) // 4 * 4):
            out = np.frombuffer(memory, np.float32, 24, begin).reshape(2, 3, 2, 2)
            with pytest.raises(ValueError, match=f"out lies in the memory of {name}"):
                headrace_core.preprocess_images(
                    replace(IMAGES, **{name: there}), TRANSFORM, out=out
                )
    out = np.frombuffer(room, np.float32, 24, 0).reshape(2, 3, 2, 2)
    made = headrace_core.preprocess_images(replace(IMAGES, **{name: there}), TRANSFORM, out=out)
    assert made is out
    assert (out[0] == 9).all()


@dataclass
class Bare:
    pixels: Any
    offsets: Any
    sizes: Any


def test_what_has_the_attributes_will_do() -> None:
    bare = Bare(IMAGES.pixels, IMAGES.offsets, IMAGES.sizes)
    given = told(mean=[0, 0, 0], scale=np.ones(3), antialias=np.True_)
    made = headrace_core.preprocess_images(bare, given, threads=1)
    np.testing.assert_array_equal(made, headrace_core.preprocess_images(IMAGES, TRANSFORM))
    empty = RaggedImages(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros((0, 3), np.int32))
    assert headrace_core.preprocess_images(empty, TRANSFORM).shape == (0, 3, 2, 2)
