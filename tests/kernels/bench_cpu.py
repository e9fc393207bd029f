"""Time files and images to a model's input on one core: ours, Pillow's and torchvision's, in turns.

python -m tests.kernels.bench_cpu     # with a release build of the core (make serve makes one)
"""

import io
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import headrace_core
import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as vision

from headrace_kernels.images.ragged import packed
from headrace_kernels.images.transform import ImageTransform

ROUNDS: Final = 15
IMAGES: Final = 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MEANS = np.array([255 * m for m in MEAN], np.float32)
SCALES = np.array([1 / (255 * s) for s in STD], np.float32)
# The square in the middle of 500 x 375.
BOX = (62.5, 0, 437.5, 375)
TRANSFORM: Final = ImageTransform(
    height=224,
    width=224,
    mean=tuple(MEANS.tolist()),
    scale=tuple(SCALES.tolist()),
)


def photos() -> list[Any]:
    """Return real photos, each 500 x 375."""
    from skimage import data

    found = [Image.fromarray(photo) for photo in (data.rocket(), data.astronaut())]
    return [np.array(found[at % 2].resize((500, 375))) for at in range(IMAGES)]


def with_pillow(images: list[Any], out: Any) -> None:
    for image, to in zip(images, out, strict=True):
        resized = Image.fromarray(image).resize((224, 224), Image.Resampling.BILINEAR)
        to[:] = ((np.asarray(resized, np.float32) - MEANS) * SCALES).transpose(2, 0, 1)


def with_torchvision(images: list[Any], out: Any) -> None:
    for image, to in zip(images, out, strict=True):
        tensor = torch.from_numpy(image).permute(2, 0, 1)
        resized = vision.resize(tensor, [224, 224], antialias=True)
        to[:] = vision.normalize(vision.to_dtype(resized, scale=True), [*MEAN], [*STD]).numpy()


def in_turns(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median milliseconds an image of each way, which makes IMAGES of them."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            took[name].append((time.perf_counter() - began) / IMAGES * 1e3)
    return {name: statistics.median(each[1:]) for name, each in took.items()}


def preprocessing(images: list[Any]) -> dict[str, float]:
    batch, out = packed(images), np.empty((IMAGES, 3, 224, 224), np.float32)
    return in_turns(
        {
            "headrace": lambda: headrace_core.preprocess_images(
                batch, TRANSFORM, out=out, threads=1
            ),
            "Pillow and NumPy": lambda: with_pillow(images, out),
            "torchvision": lambda: with_torchvision(images, out),
        }
    )


def decoding(images: list[Any], kind: str, **how: Any) -> dict[str, float]:
    """Time files to RGB of 224 x 224; a file at a time, for a batch has a thread for each core."""
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, kind, **how)
        files.append(file.getvalue())
    size, bilinear = (224, 224), Image.Resampling.BILINEAR

    def ours() -> None:
        for file in files:
            _, (fault,) = headrace_core.decode_images([file], *size, filter="bilinear")
            assert fault is None

    def pillows() -> None:
        for file in files:
            image = Image.open(io.BytesIO(file)).convert("RGB")
            np.asarray(image.resize(size, bilinear, BOX))

    return in_turns({"headrace": ours, "Pillow": pillows})


def main() -> None:
    torch.set_num_threads(1)
    images = photos()
    for title, took in (
        ("resized and normalised", preprocessing(images)),
        ("JPEG files", decoding(images, "JPEG", quality=80)),
        ("WebP files, lossy", decoding(images, "WEBP", quality=80)),
        ("WebP files, lossless", decoding(images, "WEBP", lossless=True)),
    ):
        print(title)
        for name, median in took.items():
            print(f"  {name:18} {median:.3f} ms an image, {median / took['headrace']:.2f} of ours")


if __name__ == "__main__":
    main()
