"""`preprocess_images` of a video's pictures: NV12 and I420."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests.kernels.agreement import agrees, same
from tests.kernels.implementations import Run

from headrace_kernels.images.ragged import RaggedImages, packed
from headrace_kernels.images.reference import preprocess_images as reference
from headrace_kernels.images.transform import Colours, ImageTransform
from headrace_kernels.images.video import rgb

KERNEL = "preprocess_images"

SOURCES = ("nv12", "i420")
COMPILED: tuple[dict[str, Any], ...] = (
    {"filter": "bilinear"},
    {"filter": "bicubic"},
    {"filter": "bilinear", "antialias": False},
    {"filter": "bicubic", "antialias": False},
    {"filter": "nearest"},
)
Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


def noise(seed: int, height: int, width: int) -> Planes:
    """Return luma, U and V of a picture of noise."""
    dice = np.random.default_rng(seed)
    half = (height + 1) // 2, (width + 1) // 2
    luma = dice.integers(0, 256, (height, width), dtype=np.uint8)
    return luma, *dice.integers(0, 256, (2, *half), dtype=np.uint8)


def laid(source: str, pictures: list[Planes], *, gap: int = 0, wider: int = 0) -> RaggedImages:
    """Return pictures in one buffer: rows ``wider`` than they must be, planes ``gap`` apart."""
    parts: list[NDArray[np.uint8]] = [np.zeros(0, np.uint8)]
    offsets, sizes, at = [], [], 0
    for luma, u, v in pictures:
        stride = 2 * u.shape[1] + wider
        rows = [(luma, stride)]
        if source == "nv12":
            rows.append((np.stack([u, v], -1).reshape(u.shape[0], -1), stride))
        else:
            rows += [(u, (stride + 1) // 2), (v, (stride + 1) // 2)]
        starts = []
        for plane, step in rows:
            starts.append(at)
            wide = np.full((plane.shape[0], step), 201, np.uint8)
            wide[:, : plane.shape[1]] = plane
            parts += [wide.reshape(-1), np.full(gap, 77, np.uint8)]
            at += wide.size + gap
        offsets.append(starts)
        sizes.append((*luma.shape, stride))
    return RaggedImages(
        np.concatenate(parts), np.array(offsets, np.int64), np.array(sizes, np.int32)
    )


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("compiled", COMPILED, ids=str)
def test_a_picture_is_its_rgb_picture(source: Any, compiled: dict[str, Any], run: Run) -> None:
    pictures = [noise(at, *size) for at, size in enumerate([(30, 41), (7, 2), (1, 1), (64, 33)])]
    transform = ImageTransform(height=17, width=21, source=source, **compiled)
    result = same(run, laid(source, pictures), transform)
    decoded = packed([rgb(*planes, transform) for planes in pictures])
    plain = reference(decoded, replace(transform, source="interleaved"))
    agrees(run, result, plain, transform)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("gap", "wider"), [(0, 0), (1, 1), (3, 2), (2, 7)])
def test_planes_and_rows_may_begin_anywhere(source: Any, gap: int, wider: int, run: Run) -> None:
    pictures = [noise(3, 9, 13), noise(4, 10, 8)]
    transform = ImageTransform(height=12, width=5, source=source)
    result = same(run, laid(source, pictures, gap=gap, wider=wider), transform)
    agrees(run, result, reference(laid(source, pictures), transform), transform)


@pytest.mark.parametrize("source", SOURCES)
def test_a_picture_with_a_plane_outside_is_not_read(source: Any, run: Run) -> None:
    good = laid(source, [noise(5, 6, 6)] * 4)
    last = good.offsets.shape[1] - 1
    offsets = good.offsets.copy()
    offsets[1, last] = len(good.pixels) - 1
    offsets[2, last] = -1
    sizes = good.sizes.copy()
    sizes[3, 2] = 5
    transform = ImageTransform(height=4, width=4, source=source, fill=99)
    result = same(run, replace(good, offsets=offsets, sizes=sizes), transform)
    assert [bool((one == 99).all()) for one in result] == [False, True, True, True]


@pytest.mark.parametrize("source", SOURCES)
def test_the_last_chroma_of_an_odd_picture_must_be_there(source: Any, run: Run) -> None:
    whole = laid(source, [noise(6, 7, 7)])
    transform = ImageTransform(height=4, width=4, source=source, fill=99)
    assert not (same(run, whole, transform) == 99).all()
    assert (same(run, replace(whole, pixels=whole.pixels[:-1].copy()), transform) == 99).all()


@pytest.mark.parametrize("colours", get_args(Colours))
@pytest.mark.parametrize("full_range", [True, False])
def test_colours_are_those_of_the_standard(colours: Colours, full_range: bool, run: Run) -> None:
    steps = np.array([0, 1, 15, 16, 17, 60, 127, 128, 129, 180, 235, 236, 240, 254, 255], np.uint8)
    luma, u, v = (axis.reshape(-1) for axis in np.meshgrid(steps, steps, steps, indexing="ij"))
    # Each chroma is of 2 x 2 pixels; here of four that are alike.
    side = 75, 45
    planes = luma.reshape(side).repeat(2, 0).repeat(2, 1), u.reshape(side), v.reshape(side)
    transform = ImageTransform(
        height=150, width=90, source="nv12", colours=colours, full_range=full_range,
        layout="NHWC", dtype="uint8", antialias=True,
    )  # fmt: skip
    found = same(run, laid("nv12", [planes]), transform)[0, ::2, ::2].reshape(-1, 3)

    red, blue = (0.299, 0.114) if colours == "bt601" else (0.2126, 0.0722)
    y, cb, cr = (one.astype(np.float64) for one in (luma, u, v))
    y, cb, cr = (y / 255, (cb - 128) / 255, (cr - 128) / 255) if full_range else (
        (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    )  # fmt: skip
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    g = (y - red * r - blue * b) / (1 - red - blue)
    expected = np.clip(255 * np.stack([r, g, b], -1), 0, 255)
    assert np.abs(found - expected).max() <= 0.51


def test_a_photo_of_a_full_range_comes_out_as_pillow_reads_it(
    photos: dict[str, NDArray[np.uint8]], run: Run
) -> None:
    for photo in photos.values():
        luma, u, v = np.asarray(Image.fromarray(photo).convert("YCbCr")).transpose(2, 0, 1)
        small = u[::2, ::2], v[::2, ::2]
        height, width = luma.shape
        wide = [one.repeat(2, 0)[:height].repeat(2, 1)[:, :width] for one in small]
        theirs = Image.fromarray(np.stack([luma, *wide], -1), "YCbCr").convert("RGB")
        transform = ImageTransform(
            height=height, width=width, source="i420", full_range=True, layout="NHWC", dtype="uint8"
        )
        found = same(run, laid("i420", [(luma, *small)]), transform)[0]
        assert np.abs(found.astype(int) - np.asarray(theirs)).max() <= 1


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_picture(run: Run, data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(SOURCES))
    side = st.integers(1, 50)
    pictures = [noise(at, data.draw(side), data.draw(side)) for at in range(2)]
    transform = ImageTransform(
        height=data.draw(side),
        width=data.draw(side),
        fit=data.draw(st.sampled_from(["stretch", "letterbox", "crop"])),
        source=source,  # type: ignore[arg-type]
        colours=data.draw(st.sampled_from(get_args(Colours))),
        full_range=data.draw(st.booleans()),
        reverse_channels=data.draw(st.booleans()),
        **data.draw(st.sampled_from(COMPILED)),
    )
    gap, wider = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 5))
    same(run, laid(source, pictures, gap=gap, wider=wider), transform)


def test_a_grey_video_is_refused() -> None:
    with pytest.raises(ValueError, match="channels is 1: nv12 has 3"):
        ImageTransform(height=1, width=1, source="nv12", channels=1, mean=(0.0,), scale=(1.0,))
