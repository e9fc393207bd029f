"""What is to become of every image of a batch."""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np

from headrace_kernels.launch import FLOATS

Filter = Literal["nearest", "bilinear", "bicubic"]
Fit = Literal["stretch", "letterbox", "crop"]
Source = Literal["interleaved", "nv12", "i420"]
Colours = Literal["bt601", "bt709"]
Layout = Literal["NCHW", "NHWC"]
Output = Literal["uint8", "float16", "bfloat16", "float32"]

DTYPES: dict[str, np.dtype[Any]] = {"uint8": np.dtype(np.uint8), **FLOATS}
# In how many pieces a picture lies.
PLANES: dict[str, int] = {"interleaved": 1, "nv12": 2, "i420": 3}
# Sides of sources and of outputs: positions are then exact in 64 bits.
MAX_SIDE = 65_535
MAX_OUTPUT_SIDE = 16_384


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageTransform:
    """Crop or letterbox, resize, order of colours, normalisation, layout and type, in one pass.

    A *level* is a colour's value as images hold it, 0 to 255. `fit` says how an image meets
    `height` x `width`:

    - `stretch`: it is resized to just that;
    - `letterbox`: it is resized to fit inside and centred, and `fill` (a level) is around it, as
      Pillow's `ImageOps.pad` does;
    - `crop`: its shorter side is resized to `resize_to` (None: the larger of height and width) and
      the centre is cut out, as torchvision's `Resize` and `CenterCrop` do.

    What is written is `(level - mean) * scale`, by channel of the output: for weights trained with
    torchvision's `Normalize(m, s)` that is `mean = 255 m`, `scale = 1 / (255 s)`.

    With `antialias`, levels are Pillow's own: 8-bit numbers. Without, they are torch's
    `interpolate` on floats, kept within 0 and 255. `nearest` knows no antialiasing.

    `source` says what the bytes are: interleaved channels, or a video's picture in planes, NV12 or
    I420, where 2 x 2 pixels share a chroma. It is read as the RGB picture of the same size that
    `colours` and `full_range` make of it, rounded to levels.
    """

    height: int
    width: int
    fit: Fit = "stretch"
    resize_to: int | None = None
    filter: Filter = "bilinear"
    antialias: bool = True
    source: Source = "interleaved"
    colours: Colours = "bt601"
    full_range: bool = False
    channels: int = 3
    reverse_channels: bool = False
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    scale: tuple[float, ...] = (1.0, 1.0, 1.0)
    layout: Layout = "NCHW"
    dtype: Output = "float32"
    fill: int = 0

    def __post_init__(self) -> None:
        for wrong in filter(
            None, (self._wrong_sizes(), self._wrong_word(), self._wrong_channels())
        ):
            raise ValueError(wrong)

    def _wrong_sizes(self) -> str | None:
        for name in ("height", "width"):
            if not 1 <= getattr(self, name) <= MAX_OUTPUT_SIDE:
                return f"{name} is {getattr(self, name)}: 1 to {MAX_OUTPUT_SIDE} can be had"
        larger = max(self.height, self.width)
        if self.resize_to is None:
            return None
        if self.fit != "crop":
            return "resize_to is for fit='crop' alone"
        if not larger <= self.resize_to <= MAX_OUTPUT_SIDE:
            needed = f"a crop of {self.height} x {self.width} needs {larger} to {MAX_OUTPUT_SIDE}"
            return f"resize_to is {self.resize_to}: {needed}"
        return None

    def _wrong_word(self) -> str | None:
        for name, known in WORDS.items():
            if getattr(self, name) not in known:
                return f"{name} is {getattr(self, name)!r}: one of {', '.join(known)}"
        return None

    def _wrong_channels(self) -> str | None:
        if self.channels not in (1, 3):
            return f"channels is {self.channels}: images have 1 or 3"
        if self.source != "interleaved" and self.channels != 3:
            return f"channels is {self.channels}: {self.source} has 3"
        for name in ("mean", "scale"):
            values = getattr(self, name)
            if len(values) != self.channels or not all(
                isfinite(np.float32(value)) for value in values
            ):
                return f"{name} is {values}: a finite number for each channel is needed"
        if not 0 <= self.fill <= 255:
            return f"fill is {self.fill}: a level is 0 to 255"
        return None

    def shape(self, images: int) -> tuple[int, int, int, int]:
        """Return the shape of the tensor that ``images`` images become."""
        if self.layout == "NCHW":
            return images, self.channels, self.height, self.width
        return images, self.height, self.width, self.channels


WORDS: dict[str, tuple[str, ...]] = {
    "fit": ("stretch", "letterbox", "crop"),
    "filter": ("nearest", "bilinear", "bicubic"),
    "source": ("interleaved", "nv12", "i420"),
    "colours": ("bt601", "bt709"),
    "layout": ("NCHW", "NHWC"),
    "dtype": tuple(DTYPES),
}
