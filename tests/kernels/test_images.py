"""`preprocess_images`: every implementation does what the reference says, to the bit."""

from dataclasses import replace
from typing import Any, get_args

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.kernels.agreement import agrees, same
from tests.kernels.implementations import Run

from headrace_kernels.images.ragged import RaggedImages, packed
from headrace_kernels.images.reference import preprocess_images as reference
from headrace_kernels.images.transform import Filter, Fit, ImageTransform, Layout, Output

KERNEL = "preprocess_images"

# The choices that a kernel is compiled for; the others are arguments.
COMPILED: tuple[dict[str, Any], ...] = (
    {"filter": "nearest", "dtype": "float16"},
    {"filter": "bilinear"},
    {"filter": "bicubic", "dtype": "bfloat16"},
    {"filter": "bilinear", "antialias": False},
    {"filter": "bicubic", "antialias": False, "dtype": "uint8"},
    {"filter": "bilinear", "channels": 1, "mean": (3.0,), "scale": (0.5,)},
    {"filter": "bicubic", "antialias": False, "channels": 1, "mean": (3.0,), "scale": (0.5,)},
)
THREE = {"mean": (120.0, 110.0, 100.0), "scale": (0.017, 0.018, 0.019)}


def noise(seed: int, *sizes: tuple[int, int], channels: int = 3) -> list[NDArray[np.uint8]]:
    """Return images of noise: no neighbour is like another, so that a wrong one is seen."""
    dice = np.random.default_rng(seed)
    return [dice.integers(0, 256, (*size, channels), dtype=np.uint8) for size in sizes]


@pytest.mark.parametrize("compiled", COMPILED, ids=str)
@pytest.mark.parametrize("fit", get_args(Fit))
def test_images_of_any_size_share_a_batch(compiled: dict[str, Any], fit: Fit, run: Run) -> None:
    channels = compiled.get("channels", 3)
    sizes = [(1, 1), (7, 5), (31, 33), (1, 50), (50, 1), (64, 48), (3, 3), (100, 2), (129, 65)]
    batch = packed(noise(1, *sizes, channels=channels))
    for height, width in [(17, 41), (1, 1), (40, 8)]:
        transform = ImageTransform(height=height, width=width, fit=fit, fill=9, **compiled)
        assert same(run, batch, transform).shape == (9, channels, height, width)


@pytest.mark.parametrize("compiled", COMPILED, ids=str)
def test_a_side_of_twenty_thousand_is_as_exact_as_any(compiled: dict[str, Any], run: Run) -> None:
    batch = packed(noise(2, (20_000, 1), (1, 20_000), (2, 20_000), **_channels(compiled)))
    for height, width in [(9, 9), (17, 33)]:
        same(run, batch, ImageTransform(height=height, width=width, **compiled))


def test_a_thin_image_may_become_as_long_as_a_crop_makes_it(run: Run) -> None:
    batch = packed(noise(3, (20_000, 1), (1, 20_000)))
    same(run, batch, ImageTransform(height=20, width=20, fit="crop", resize_to=64))
    same(run, batch, ImageTransform(height=20, width=20, fit="letterbox"))
    # 8.5 and 9.5 pixels: to the even number.
    halves = packed(noise(4, (25, 50), (50, 25), (19, 34), (34, 19)))
    same(run, halves, ImageTransform(height=17, width=17, fit="letterbox"))


@pytest.mark.parametrize("compiled", COMPILED, ids=str)
def test_rows_and_images_may_begin_anywhere(compiled: dict[str, Any], run: Run) -> None:
    channels = compiled.get("channels", 3)
    dice = np.random.default_rng(4)
    for offset in range(5):
        for stride in (13 * channels, 13 * channels + 1, 13 * channels + 6):
            length = offset + 10 * stride + 13 * channels
            batch = RaggedImages(
                dice.integers(0, 256, length, dtype=np.uint8),
                np.array([offset], np.int64),
                np.array([(11, 13, stride)], np.int32),
            )
            same(run, batch, ImageTransform(height=6, width=20, **compiled))


def test_a_side_of_65_535_is_the_longest(run: Run) -> None:
    dice = np.random.default_rng(9)
    batch = RaggedImages(
        dice.integers(1, 256, 65_536 * 3, dtype=np.uint8),
        np.zeros(4, np.int64),
        np.array(
            [(65_535, 1, 3), (65_536, 1, 3), (1, 65_535, 65_535 * 3), (1, 65_536, 65_536 * 3)],
            np.int32,
        ),
    )
    for antialias in (True, False):
        transform = ImageTransform(height=3, width=3, antialias=antialias)
        result = same(run, batch, transform)
        assert [bool((one == 0).all()) for one in result] == [False, True, False, True]


def test_a_part_of_an_image_is_cut_out_by_where_it_begins(run: Run) -> None:
    (image,) = noise(5, (40, 30))
    whole = packed([image])
    part = replace(
        whole,
        offsets=np.array([(7 * 30 + 3) * 3], np.int64),
        sizes=np.array([(20, 11, 90)], np.int32),
    )
    transform = ImageTransform(height=8, width=8)
    expected = reference(packed([image[7:27, 3:14].copy()]), transform)
    agrees(run, same(run, part, transform), expected, transform)


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        (-1, (4, 4, 12)),
        (1, (4, 4, 12)),
        (0, (5, 4, 12)),
        (0, (4, 5, 12)),
        (0, (4, 4, 13)),
        (0, (4, 4, 11)),
        (0, (0, 4, 12)),
        (0, (4, 0, 12)),
        (0, (-4, 4, 12)),
        (0, (4, -4, 12)),
        (0, (4, 4, -12)),
        (0, (2**31 - 1, 2**31 - 1, 2**31 - 1)),
        (0, (1, 65_536, 2**31 - 1)),
        (2**63 - 1, (1, 1, 3)),
        (-(2**63), (1, 1, 3)),
    ],
)
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("fit", get_args(Fit))
def test_what_does_not_lie_in_the_buffer_is_not_read(
    offset: int, size: tuple[int, int, int], antialias: bool, fit: Fit, run: Run
) -> None:
    (image,) = noise(6, (4, 4))
    batch = RaggedImages(
        image.reshape(-1),
        np.array([0, offset, 0], np.int64),
        np.array([(4, 4, 12), size, (4, 4, 12)], np.int32),
    )
    transform = ImageTransform(height=3, width=5, fit=fit, fill=77, antialias=antialias)
    result = same(run, batch, transform)
    assert (result[1] == 77).all()
    np.testing.assert_array_equal(result[0], result[2])


def test_a_batch_may_be_empty_or_of_256(run: Run) -> None:
    transform = ImageTransform(height=3, width=2)
    assert same(run, packed([]), transform).shape == (0, 3, 3, 2)
    dice = np.random.default_rng(7)
    sizes = [(int(height), int(width)) for height, width in dice.integers(1, 12, (256, 2))]
    same(run, packed(noise(8, *sizes)), transform)


@pytest.mark.parametrize("dtype", get_args(Output))
@pytest.mark.parametrize("layout", get_args(Layout))
def test_a_level_is_normalised_rounded_and_laid_out(
    dtype: Output, layout: Layout, run: Run
) -> None:
    ramp = np.arange(256 * 3, dtype=np.uint16).astype(np.uint8).reshape(16, 16, 3)
    mean, scale = (0.0, 10.0, -1.5), (1.0, 0.37, -2.0)
    transform = ImageTransform(
        height=16, width=16, mean=mean, scale=scale, dtype=dtype, layout=layout
    )
    flipped = replace(transform, reverse_channels=True)
    types = {"bfloat16": ml_dtypes.bfloat16, "uint8": np.uint8}
    for one, source in ((transform, ramp), (flipped, ramp[..., ::-1])):
        values = (source.astype(np.float32) - np.array(mean, np.float32)) * np.array(
            scale, np.float32
        )
        if dtype == "uint8":
            values = np.clip(np.rint(values), 0, 255)
        if layout == "NCHW":
            values = values.transpose(2, 0, 1)
        expected = values.astype(types.get(dtype, dtype))
        np.testing.assert_array_equal(same(run, packed([ramp]), one)[0], expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_batch_and_any_transform(run: Run, data: st.DataObject) -> None:
    side = st.integers(1, 70) | st.integers(1, 3)
    sizes = data.draw(st.lists(st.tuples(side, side), min_size=1, max_size=3))
    compiled = data.draw(st.sampled_from(COMPILED))
    height, width = data.draw(side), data.draw(side)
    fit = data.draw(st.sampled_from(get_args(Fit)))
    resize_to = max(height, width) + data.draw(st.integers(0, 40)) if fit == "crop" else None
    drawn = ImageTransform(
        height=height,
        width=width,
        fit=fit,
        resize_to=resize_to,
        fill=data.draw(st.integers(0, 255)),
        layout=data.draw(st.sampled_from(get_args(Layout))),
        reverse_channels=data.draw(st.booleans()),
        **{**({} if "mean" in compiled else THREE), **compiled},
    )
    images = noise(data.draw(st.integers(0, 99)), *sizes, channels=drawn.channels)
    same(run, packed(images), drawn)


def _channels(compiled: dict[str, Any]) -> dict[str, int]:
    return {"channels": compiled.get("channels", 3)}


@pytest.mark.parametrize(
    ("shapes", "error"),
    [
        ([(2, 3, 4)], TypeError),
        ([(2, 3, 3), (2, 3, 1)], TypeError),
        ([(1, 65_536, 1)], ValueError),
        ([(0, 3, 3)], ValueError),
    ],
)
def test_what_no_transform_takes_is_not_packed(
    shapes: list[tuple[int, ...]], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"an image is uint8\["):
        packed([np.zeros(shape, np.uint8) for shape in shapes])


def test_every_filter_is_run() -> None:
    assert {one["filter"] for one in COMPILED} == set(get_args(Filter))
