"""The core's decoder against Pillow, on real photos."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from headrace_core import decode_images
from numpy.typing import NDArray
from PIL import Image, ImageOps

Photo = Callable[[str], NDArray[np.uint8]]
Encode = Callable[..., bytes]

#: A file's kind → how Pillow writes it.
FILES: dict[str, dict[str, Any]] = {
    "baseline": {"quality": 90},
    "progressive": {"quality": 85, "progressive": True},
    "4:4:4": {"quality": 90, "subsampling": 0},
    "4:2:2": {"quality": 90, "subsampling": 1},
    "restarts": {"quality": 90, "restart_marker_rows": 1},
    "grey": {"mode": "L"},
    "CMYK": {"mode": "CMYK"},
    "PNG": {"kind": "PNG"},
    "PNG palette": {"kind": "PNG", "mode": "P"},
    "PNG alpha": {"kind": "PNG", "mode": "RGBA"},
    "PNG grey alpha": {"kind": "PNG", "mode": "LA"},
    "PNG bits": {"kind": "PNG", "mode": "1"},
}


def with_pillow(file: bytes, height: int, width: int, crop: float, filter_name: str) -> Any:
    """What the core promises, in Pillow's words: upright, the centre, resized once."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB")
    scale = min(image.width / width, image.height / height) * crop
    left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    how = Image.Resampling[filter_name.upper()]
    return np.asarray(image.resize((width, height), how, box=box)).astype(int)


def differences(file: bytes, height: int, width: int, crop: float, filter_name: str) -> Any:
    pixels, faults = decode_images([file], height, width, crop=crop, filter=filter_name)
    assert faults == [None]
    assert pixels.shape == (1, height, width, 3)
    assert pixels.dtype == np.uint8
    return np.abs(pixels[0].astype(int) - with_pillow(file, height, width, crop, filter_name))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_every_kind_of_file_comes_out_as_pillow_has_it(
    name: str, kind: str, photo: Photo, encode: Encode
) -> None:
    file = encode(photo(name), **FILES[kind])
    off = differences(file, 224, 224, 0.875, "bilinear")
    # The two decoders round the cosine transform and the colour difference each in their way.
    assert off.max() <= 5
    assert off.mean() <= 0.5


WEBPS: dict[str, dict[str, Any]] = {
    "lossy": {"quality": 80},
    "lossy, worst": {"quality": 0, "method": 0},
    "lossy, best": {"quality": 100, "method": 6},
    "lossy, alpha": {"mode": "RGBA"},
    "lossless": {"lossless": True},
    "lossless, alpha": {"lossless": True, "mode": "RGBA"},
    "lossless, palette": {"lossless": True, "mode": "P"},
    "grey": {"mode": "L"},
    "metadata": {"icc_profile": b"no profile" * 9, "xmp": b"<x/>"},
}


@pytest.mark.parametrize("kind", WEBPS)
@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_a_webp_file_comes_out_as_pillow_has_it_to_the_bit(
    name: str, kind: str, photo: Photo, encode: Encode
) -> None:
    # An odd size, for chroma is of 2 x 2 pixels.
    rows = photo(name)[:299, :401]
    file = encode(rows, "WEBP", **WEBPS[kind])
    assert not differences(file, rows.shape[0], rows.shape[1], 1.0, "bilinear").any()


def test_of_an_animation_the_first_picture_is_taken(photo: Photo, encode: Encode) -> None:
    rows = photo("coffee")[:60, :81]
    others = [Image.fromarray(rows[::-1]), Image.fromarray(rows[:, ::-1])]
    file = encode(rows, "WEBP", save_all=True, append_images=others, quality=90)
    assert getattr(Image.open(io.BytesIO(file)), "n_frames", 1) == 3
    assert not differences(file, rows.shape[0], rows.shape[1], 1.0, "bilinear").any()


def test_a_large_picture_of_one_colour_is_read_however_few_its_bytes() -> None:
    for how in ({"quality": 0}, {"lossless": True}):
        file = io.BytesIO()
        Image.new("RGB", (4000, 4000), (9, 90, 200)).save(file, "WEBP", **how)
        assert len(file.getvalue()) < 32_000
        assert differences(file.getvalue(), 8, 8, 1.0, "bilinear").max() == 0


@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(
    ("height", "width", "crop"), [(224, 224, 1.0), (64, 200, 0.5), (900, 700, 1.0)]
)
def test_every_filter_resizes_as_pillow_does(
    filter_name: str, height: int, width: int, crop: float, photo: Photo, encode: Encode
) -> None:
    off = differences(encode(photo("coffee"), "PNG"), height, width, crop, filter_name)
    # Where a filter overshoots beyond black or white, what is cut off between its two passes
    # depends on which comes first, rows or columns: there the two differ, on few pixels.
    assert np.quantile(off, 0.999) <= 2
    assert off.max() <= {"bilinear": 2, "bicubic": 20, "lanczos": 30}[filter_name]
    assert off.mean() <= 0.3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_upright_however_the_camera_was_held(
    orientation: int, kind: str, photo: Photo, encode: Encode
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encode(photo("chelsea"), kind, exif=exif)
    off = differences(file, 120, 80, 0.9, "bilinear")
    assert off.max() <= 5
    assert off.mean() <= 0.5


def test_elements_of_any_buffer_are_read_and_a_bad_one_is_told_apart(
    photo: Photo, encode: Encode
) -> None:
    good = encode(photo("coffee"))
    pixels, faults = decode_images([good, memoryview(good), bytearray(good), b"GIF89a"], 32, 32)
    assert faults[:3] == [None] * 3
    assert faults[3] == (
        "expected a JPEG, PNG or WebP image, got 6 bytes that start with [47, 49, 46, 38, 39, 61]"
    )
    assert np.array_equal(pixels[0], pixels[1])
    assert np.array_equal(pixels[0], pixels[2])
    assert not pixels[3].any()


def test_what_no_image_could_become_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="expected filter bilinear, bicubic, lanczos"):
        decode_images([], 8, 8, filter="nearest")
    with pytest.raises(ValueError, match="expected a crop above 0 and up to 1, got 2"):
        decode_images([], 8, 8, crop=2.0)
