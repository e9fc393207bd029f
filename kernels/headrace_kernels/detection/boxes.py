"""What a detector finds, and which of it is kept."""

from dataclasses import dataclass
from math import isnan
from typing import Any

from headrace_kernels.parameters import finite, number, settle, whole

# Candidates of an image: as many as a block sorts in shared memory.
CAPACITY = 1024


@dataclass(frozen=True, slots=True)
class RaggedBoxes:
    """A batch of boxes; image `i` has those from ``offsets[i]`` to ``offsets[i + 1]``."""

    # float32, [boxes, 4]: left, top, right, bottom.
    boxes: Any
    # float32, [boxes].
    scores: Any
    # int32, [boxes]: a box covers those of its class alone.
    classes: Any
    # int64, [images + 1].
    offsets: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppression:
    """What is kept: at most `most` of an image, with a score beyond `score`, none covered.

    A box is covered by one of a better score and its class if the area of both, by that of
    either, is beyond `overlap`.
    """

    overlap: float
    score: float = float("-inf")
    most: int = 300

    def __post_init__(self) -> None:
        settle(
            self,
            overlap=finite("overlap", self.overlap),
            score=number("score", self.score),
            most=whole("most", self.most, 1, CAPACITY),
        )
        if not 0 <= self.overlap <= 1:
            raise ValueError(f"overlap is {self.overlap}: 0 to 1")
        if isnan(self.score):
            raise ValueError("score is nan: no score would be beyond it")
