"""`preprocess_images` beside Pillow, torchvision and torch, on real photos."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tests.kernels.agreement import levels_agree
from tests.kernels.implementations import Run
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as vision

from headrace_kernels.images.placement import placed
from headrace_kernels.images.ragged import packed
from headrace_kernels.images.transform import ImageTransform

KERNEL = "preprocess_images"

Photos = dict[str, NDArray[np.uint8]]

PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
# Smaller, larger, another shape, one row, odd numbers.
TARGETS = [(224, 224), (330, 300), (33, 321), (1, 224), (97, 5)]


def levels(height: int, width: int, **others: Any) -> ImageTransform:
    """Return a transform whose output is the resized image itself."""
    return ImageTransform(height=height, width=width, layout="NHWC", dtype="uint8", **others)


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_levels_are_those_of_pillow(name: Any, photos: Photos, run_in_order: Run) -> None:
    batch = packed(list(photos.values()))
    for height, width in TARGETS:
        ours = run_in_order("preprocess_images", batch, levels(height, width, filter=name))
        for photo, mine in zip(photos.values(), ours, strict=True):
            # One axis at a time: newer Pillows go down before they go across where that is cheaper.
            across = Image.fromarray(photo).resize((width, photo.shape[0]), PILLOW[name])
            theirs = across.resize((width, height), PILLOW[name])
            levels_agree(run_in_order, mine, np.asarray(theirs))


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_a_square_of_a_photo_is_that_of_pillow_in_one_call(
    name: Any, photos: Photos, run_in_order: Run
) -> None:
    ours = run_in_order(
        "preprocess_images", packed(list(photos.values())), levels(224, 224, filter=name)
    )
    for photo, mine in zip(photos.values(), ours, strict=True):
        theirs = Image.fromarray(photo).resize((224, 224), PILLOW[name])
        levels_agree(run_in_order, mine, np.asarray(theirs))


def test_the_nearest_pixel_is_that_of_pillow_but_on_a_border(
    photos: Photos, run_in_order: Run
) -> None:
    # Between two pixels, where either is as near, Pillow's sum of steps falls to either side.
    for height, width in [(223, 225), (331, 457), (33, 321), (97, 9)]:
        transform = levels(height, width, filter="nearest")
        ours = run_in_order("preprocess_images", packed(list(photos.values())), transform)
        for photo, mine in zip(photos.values(), ours, strict=True):
            clear = np.ix_(
                _off_borders(height, photo.shape[0]), _off_borders(width, photo.shape[1])
            )
            theirs = np.asarray(Image.fromarray(photo).resize((width, height), PILLOW["nearest"]))
            assert clear[0].size * clear[1].size > height * width / 2
            np.testing.assert_array_equal(mine[clear], theirs[clear])


def _off_borders(resized: int, side: int) -> NDArray[np.int64]:
    places = np.arange(resized)
    clear: NDArray[np.int64] = places[(2 * places + 1) * side % (2 * resized) != 0]
    return clear


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("height", "width"), [(224, 224), (200, 320), (320, 200)])
def test_a_letterbox_is_that_of_pillow(
    name: Any, height: int, width: int, photos: Photos, run_in_order: Run
) -> None:
    turned = [*photos.values(), np.swapaxes(photos["rocket"], 0, 1).copy()]
    transform = levels(height, width, filter=name, fit="letterbox", fill=114)
    ours = run_in_order("preprocess_images", packed(turned), transform)
    for photo, mine in zip(turned, ours, strict=True):
        theirs = ImageOps.pad(
            Image.fromarray(photo), (width, height), PILLOW[name], color=(114, 114, 114)
        )
        levels_agree(run_in_order, mine, np.asarray(theirs))


def test_a_letterbox_is_as_large_as_pillows() -> None:
    dice = np.random.default_rng(0)
    sizes = [(25, 50), (50, 25), (19, 34), (34, 19), *dice.integers(1, 200, (500, 2)).tolist()]
    for height, width in sizes:
        for side in (17, 224):
            if min(height, width) * side < max(height, width):
                continue  # Pillow would make it 0 pixels wide
            theirs = ImageOps.contain(Image.new("L", (width, height)), (side, side)).size
            ours = placed(height, width, levels(side, side, fit="letterbox"))
            assert (ours.resized_width, ours.resized_height) == theirs


@pytest.mark.parametrize(("size", "resize_to"), [(224, 256), (224, 224), (97, 130)])
def test_a_crop_is_that_of_torchvision_on_pillows_images(
    size: int, resize_to: int, photos: Photos, run_in_order: Run
) -> None:
    turned = [*photos.values(), np.swapaxes(photos["rocket"], 0, 1).copy()]
    transform = levels(size, size, fit="crop", resize_to=resize_to)
    ours = run_in_order("preprocess_images", packed(turned), transform)
    for photo, mine in zip(turned, ours, strict=True):
        resized = vision.resize(Image.fromarray(photo), [resize_to], InterpolationMode.BILINEAR)
        theirs = vision.center_crop(resized, [size, size])
        levels_agree(run_in_order, mine, np.asarray(theirs))


def test_a_classifiers_input_is_that_of_torchvision(photos: Photos, run_in_order: Run) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    transform = ImageTransform(
        height=224,
        width=224,
        fit="crop",
        resize_to=256,
        mean=tuple(255 * m for m in mean),
        scale=tuple(1 / (255 * s) for s in std),
    )
    ours = run_in_order("preprocess_images", packed(list(photos.values())), transform)
    for photo, mine in zip(photos.values(), ours, strict=True):
        image = vision.resize(Image.fromarray(photo), [256], InterpolationMode.BILINEAR)
        tensor = vision.to_dtype(vision.to_image(vision.center_crop(image, [224, 224])), scale=True)
        theirs = vision.normalize(tensor, list(mean), list(std)).numpy()
        atol = 2e-6 + run_in_order.levels_apart * max(transform.scale)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_without_antialiasing_levels_are_within_a_thousandth_of_torchs(
    name: Any, photos: Photos, run_in_order: Run
) -> None:
    batch = packed(list(photos.values()))
    for height, width in TARGETS:
        transform = ImageTransform(
            height=height, width=width, layout="NHWC", filter=name, antialias=False
        )
        ours = run_in_order("preprocess_images", batch, transform)
        for photo, mine in zip(photos.values(), ours, strict=True):
            tensor = torch.from_numpy(photo.transpose(2, 0, 1)[None].astype(np.float64))
            resized = torch.nn.functional.interpolate(tensor, (height, width), mode=name)
            theirs = resized.clamp(0, 255)[0].numpy().transpose(1, 2, 0)
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-3)


# On 8-bit tensors torchvision has arithmetic of its own, with weights of 16 bits. Where a bicubic
# overshoots at an edge, it matters that torchvision clips between its passes.
@pytest.mark.parametrize(
    ("name", "antialias", "most", "share_beyond_one"),
    [
        ("bilinear", True, 2, 1e-4),
        ("bicubic", True, 2, 1e-4),
        ("bilinear", False, 1, 0),
        ("bicubic", False, 18, 0.005),
    ],
)
def test_levels_are_near_those_of_torchvision_on_tensors(
    name: str,
    antialias: bool,
    most: int,
    share_beyond_one: float,
    photos: Photos,
    run_in_order: Run,
) -> None:
    for mine, theirs in _beside_torchvision(name, antialias, photos, run_in_order):
        apart = np.abs(mine - theirs)
        assert apart.max() <= most
        assert (apart > 1).mean() <= share_beyond_one


def _beside_torchvision(
    name: Any, antialias: bool, photos: Photos, run_in_order: Run
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    mode = InterpolationMode(name)
    for height, width in TARGETS:
        transform = levels(height, width, filter=name, antialias=antialias)
        ours = run_in_order("preprocess_images", packed(list(photos.values())), transform)
        for photo, mine in zip(photos.values(), ours, strict=True):
            tensor = torch.from_numpy(photo.transpose(2, 0, 1).copy())
            theirs = vision.resize(tensor, [height, width], mode, antialias=antialias)
            yield mine.astype(np.int64), theirs.numpy().transpose(1, 2, 0).astype(np.int64)
