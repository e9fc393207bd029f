"""Clips of sound, and what a model wants of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace_kernels.parameters import finite, number, settle, truth, whole

MAX_WINDOW = 2048
# Of frames, and of samples from one to the next.
MAX_STEPS = (1 << 18) - 1


@dataclass(frozen=True, slots=True)
class RaggedClips:
    """A batch of clips; clip `i` has the samples from ``offsets[i]`` to ``offsets[i + 1]``."""

    # float32, or int16 (of which 32,768 is 1.0), flat.
    samples: Any
    # int64, [clips + 1].
    offsets: Any


@dataclass(frozen=True, slots=True)
class MelFilters:
    """What was worked out before: a window and filters; `mel_filters` makes them."""

    # float32, [n]: what each sample of a frame is multiplied by.
    window: Any
    # float32, [mels, n / 2 + 1].
    filters: Any
    # int32, [mels, 2]: the first bin of each filter that is not 0, and the one behind its last.
    spans: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Spectrogram:
    """A feature is `log(max(energy, least)) * scale + offset`, for `frames` frames, `hop` apart.

    The logarithm is natural: `scale` is 10 / log(10) for decibels, 1 / log(10) for a base of 10.
    `centred` frames are around their sample, and clips are reflected at their ends, as in librosa
    and torch; else the first begins with the clip. What a clip has not is `padding`.
    """

    hop: int
    frames: int
    centred: bool = True
    magnitude: bool = False
    least: float = 1e-10
    scale: float = 1.0
    offset: float = 0.0
    padding: float = 0.0

    def __post_init__(self) -> None:
        settle(
            self,
            **{name: whole(name, getattr(self, name), 1, MAX_STEPS) for name in ("hop", "frames")},
            **{name: truth(name, getattr(self, name)) for name in ("centred", "magnitude")},
            **{name: finite(name, getattr(self, name)) for name in ("least", "scale", "offset")},
            padding=number("padding", self.padding),
        )
        if np.float32(self.least) <= 0:
            raise ValueError(f"least is {self.least}: a number above 0 is needed")
