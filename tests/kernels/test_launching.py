"""What a launcher checks, and what it does not do."""

import inspect
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.kernels.shim.machine import Shim

from headrace_kernels import device
from headrace_kernels.images.launcher import preprocess_images
from headrace_kernels.images.ragged import RaggedImages, packed
from headrace_kernels.images.transform import ImageTransform
from headrace_kernels.launch import View, contiguous
from headrace_kernels.table import TABLE
from headrace_kernels.tabular.features import Encoding, Features

IMAGES = packed([np.zeros((4, 4, 3), np.uint8), np.zeros((5, 6, 3), np.uint8)])
TRANSFORM = ImageTransform(height=2, width=2)


class Shifted(Shim):
    """Says that every array begins a byte later."""

    def view(self, array: Any, name: str) -> View:
        seen = super().view(array, name)
        return replace(seen, pointer=seen.pointer + 1)


class Silent(Shim):
    """Takes launches, and runs none."""

    def launch(self, launch: Any) -> None:
        self.launches.append(launch)


@pytest.mark.parametrize("name", TABLE)
def test_a_launcher_and_its_reference_are_called_alike(name: str) -> None:
    row = TABLE[name]
    device = dict(inspect.signature(row.launcher).parameters)
    assert device.pop("machine").default is None
    reference = inspect.signature(row.reference).parameters
    assert [(one.name, one.kind, one.default) for one in device.values()] == [
        (one.name, one.kind, one.default) for one in reference.values()
    ]
    assert row.launcher.__name__ == row.reference.__name__ == name


def test_a_batch_is_one_launch_and_what_is_given_is_not_allocated(
    monkeypatch: pytest.MonkeyPatch, shim: Shim
) -> None:
    out = np.empty((2, 3, 2, 2), np.float32)

    def empty(shape: Sequence[int], dtype: Any) -> Any:
        raise AssertionError("something was allocated")

    monkeypatch.setattr(shim, "empty", empty)
    assert preprocess_images(IMAGES, TRANSFORM, out=out, machine=shim) is out
    assert len(shim.launches) == 1
    nothing = np.empty((0, 3, 2, 2), np.float32)
    preprocess_images(packed([]), TRANSFORM, out=nothing, machine=shim)
    assert len(shim.launches) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pixels": IMAGES.pixels.astype(np.int8)}, "pixels is int8; it must be uint8"),
        ({"pixels": IMAGES.pixels.reshape(2, -1)}, r"pixels has shape \[2, .+ must be \[any\]"),
        ({"pixels": IMAGES.pixels[::2]}, "pixels must be contiguous"),
        ({"pixels": b"bytes"}, "pixels is bytes, not an array"),
        ({"offsets": IMAGES.offsets.astype(np.int32)}, "offsets is int32; it must be int64"),
        ({"sizes": IMAGES.sizes.astype(np.int64)}, "sizes is int64; it must be int32"),
        ({"sizes": IMAGES.sizes[:1]}, r"sizes has shape \[1, 3\]; it must be \[2, 3\]"),
        ({"sizes": IMAGES.sizes[:, :2].copy()}, r"sizes has shape \[2, 2\]"),
        ({"sizes": np.asfortranarray(IMAGES.sizes)}, "sizes must be contiguous"),
    ],
)
def test_what_the_kernel_cannot_read_is_refused(
    wrong: dict[str, Any], message: str, shim: Shim
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        preprocess_images(replace(IMAGES, **wrong), TRANSFORM, machine=shim)
    assert not shim.launches


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.empty((2, 3, 2, 2), np.float16), "out is float16; it must be float32"),
        (np.empty((2, 2, 2, 3), np.float32), r"must be \[2, 3, 2, 2\]"),
        (np.empty((2, 3, 2, 4), np.float32)[..., ::2], "out must be contiguous"),
        (np.broadcast_to(np.float32(0), (2, 3, 2, 2)), "out must be contiguous"),
        (np.frombuffer(bytes(96), np.float32).reshape(2, 3, 2, 2), "out is read-only"),
    ],
)
def test_where_the_kernel_cannot_write_is_refused(out: Any, message: str, shim: Shim) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        preprocess_images(IMAGES, TRANSFORM, out=out, machine=shim)
    assert not shim.launches


def test_a_buffer_that_begins_between_words_is_refused() -> None:
    with pytest.raises(ValueError, match="not at a multiple of 4"):
        preprocess_images(IMAGES, TRANSFORM, machine=Shifted())


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4, 2), np.int16),
        np.zeros((3, 4, 2), np.int16)[:, ::2],
        np.zeros((3, 4, 2), np.int16)[1:],
        np.zeros((3, 4, 2), np.int16).transpose(2, 0, 1),
        np.zeros((3, 4, 2), np.int16)[:, :1, :],
        np.zeros((1, 4, 2), np.int16)[::5],
        np.zeros((3, 0, 2), np.int16)[::2],
        np.zeros((), np.int16),
        np.broadcast_to(np.int16(0), (3, 4)),
        np.asfortranarray(np.zeros((3, 4), np.int16)),
    ],
    ids=lambda array: f"{array.shape} by {array.strides}",
)
def test_strides_say_what_is_contiguous(array: Any) -> None:
    found = contiguous(array.shape, array.strides, array.itemsize)
    assert found == array.flags.c_contiguous
    assert contiguous(array.shape, None, array.itemsize)


def test_numbers_that_begin_between_are_refused() -> None:
    features = Features(np.ones((2, 3), np.float32), np.ones((2, 0), np.int32))
    mean, scale = np.ones((2, 3), np.float32)
    encoding = Encoding(mean, scale, np.zeros(0, np.int32), 0)
    with pytest.raises(ValueError, match=r"numbers begins at address .+ not at a multiple of 4"):
        TABLE["encode_features"].launcher(features, encoding, machine=Shifted())


def test_without_cupy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    device.current.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'headrace\[cuda\]'"):
        preprocess_images(IMAGES, TRANSFORM)


def test_more_images_than_a_grid_has_are_refused() -> None:
    many = RaggedImages(
        np.zeros(4, np.uint8), np.zeros(65_536, np.int64), np.zeros((65_536, 3), np.int32)
    )
    with pytest.raises(ValueError, match="65536 images are too many for one launch"):
        preprocess_images(many, TRANSFORM, machine=Silent())


def test_bfloat16_may_be_written_as_bits(shim: Shim) -> None:
    transform = replace(TRANSFORM, dtype="bfloat16")
    bits = np.empty((2, 3, 2, 2), np.uint16)
    preprocess_images(IMAGES, transform, out=bits, machine=shim)
    made = preprocess_images(IMAGES, transform, machine=shim)
    assert made.dtype.name == "bfloat16"
    np.testing.assert_array_equal(made.view(np.uint16), bits)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"height": 0}, "height is 0: 1 to 16384"),
        ({"width": 16_385}, "width is 16385: 1 to 16384"),
        ({"fit": "squeeze"}, "fit is 'squeeze': one of stretch, letterbox, crop"),
        ({"filter": "lanczos"}, "filter is 'lanczos'"),
        ({"layout": "CHWN"}, "layout is 'CHWN'"),
        ({"dtype": "float64"}, "dtype is 'float64'"),
        ({"channels": 4}, "channels is 4: 1 to 3 can be had"),
        ({"mean": 3}, "mean is 3; expected a number for each channel"),
        ({"mean": (0.0,)}, "mean is .+: a number for each channel"),
        ({"scale": (1.0, float("nan"), 1.0)}, "scale is nan: a finite number"),
        ({"fill": 256}, "fill is 256: 0 to 255 can be had"),
        ({"resize_to": 256}, "resize_to is for fit='crop' alone"),
        ({"fit": "crop", "resize_to": 1}, "resize_to is 1: 2 to 16384 can be had"),
    ],
)
def test_a_transform_that_cannot_be_is_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        replace(TRANSFORM, **wrong)


def test_a_batch_is_packed_from_images_alone() -> None:
    with pytest.raises(TypeError, match=r"float32\[2, 2, 3\], not uint8 of three axes"):
        packed([np.zeros((2, 2, 3), np.float32)])
    with pytest.raises(TypeError, match="not uint8 of three axes"):
        packed([np.zeros((2, 2), np.uint8)])
