"""Real photos as callers send them, and what may become of them: files of JPEG."""

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from skimage import data
from sklearn.datasets import load_sample_images

#: Of scikit-image, those of scenes in colour; scikit-learn has two more.
NAMES: Final = ("astronaut", "chelsea", "coffee", "rocket")
SIDE: Final = 160
#: Part of a photo's shorter side that a picture of it has at least, and how much lighter or darker
#: cameras make it.
LEAST_PART: Final = 0.5
LIGHT: Final = (0.85, 1.15)
#: What becomes of pictures: each is there for everybody to see, and none is another picture.
CHANGES: Final[Mapping[str, Callable[[Image.Image], Image.Image]]] = {
    "unchanged": lambda picture: picture,
    "darkened": lambda picture: ImageEnhance.Brightness(picture).enhance(0.75),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(1.0)),
    "rotated": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
}


def photos() -> list[Image.Image]:
    """Return all of them."""
    found = [getattr(data, name)() for name in NAMES] + list(load_sample_images().images)
    left, right, _ = data.stereo_motorcycle()
    return [Image.fromarray(rows) for rows in (*found, left, right)]


def pictures(dice: np.random.Generator, change: str) -> Iterator[bytes]:
    """Yield parts of photos, as somebody with a camera would take them, without an end."""
    known = photos()
    while True:
        photo = known[dice.integers(len(known))]
        side = int(min(photo.size) * dice.uniform(LEAST_PART, 1))
        x, y = (int(dice.integers(whole - side + 1)) for whole in photo.size)
        part = photo.crop((x, y, x + side, y + side)).resize((SIDE, SIDE))
        seen = ImageEnhance.Brightness(part).enhance(dice.uniform(*LIGHT))
        file = io.BytesIO()
        CHANGES[change](seen).save(file, "JPEG", quality=90)
        yield file.getvalue()
