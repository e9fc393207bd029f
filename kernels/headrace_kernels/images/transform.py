"""What is to become of every image of a batch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from headrace_kernels.launch import FLOATS
from headrace_kernels.parameters import finite, settle, truth, whole, word

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
        sides = {name: self._whole(name, 1, MAX_OUTPUT_SIDE) for name in ("height", "width")}
        flags = ("antialias", "full_range", "reverse_channels")
        settle(
            self,
            **sides,
            **{name: word(name, getattr(self, name), known) for name, known in WORDS.items()},
            **{name: truth(name, getattr(self, name)) for name in flags},
            fill=self._whole("fill", 0, 255),
            channels=self._whole("channels", 1, 3),
        )
        if self.resize_to is not None:
            if self.fit != "crop":
                raise ValueError("resize_to is for fit='crop' alone")
            # Less than a side would leave a part of it empty.
            larger = max(sides.values())
            settle(self, resize_to=self._whole("resize_to", larger, MAX_OUTPUT_SIDE))
        if self.channels == 2:
            raise ValueError("channels is 2: images have 1 or 3")
        if self.source != "interleaved" and self.channels != 3:
            raise ValueError(f"channels is {self.channels}: {self.source} has 3")
        settle(self, **{name: self._by_channel(name) for name in ("mean", "scale")})

    def _whole(self, name: str, least: int, most: int) -> int:
        return whole(name, getattr(self, name), least, most)

    def _by_channel(self, name: str) -> tuple[float, ...]:
        values = getattr(self, name)
        if not isinstance(values, Iterable):
            raise TypeError(f"{name} is {values!r}; expected a number for each channel")
        each = tuple(finite(name, value) for value in values)
        if len(each) != self.channels:
            raise ValueError(f"{name} is {each}: a number for each channel is needed")
        return each

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
