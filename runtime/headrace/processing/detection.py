"""`suppress_boxes`: what a detector finds becomes what an answer names."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from headrace.config.processing import SuppressBoxes
from headrace.errors import ModelBroken, ModelInvalid
from headrace.models import Batch, Context, Tensor
from headrace.processing.implementation import Implementation
from headrace.processing.step import Step
from headrace_kernels.detection import RaggedBoxes, Suppression

READS: Final = (
    "suppress_boxes reads boxes FP32 [boxes, 4], scores FP32 [boxes] and classes INT32 [boxes]"
)
#: Behind the last box: its corners, its score, its class.
NOTHING: Final = 0, 0, -1


class SuppressStep(Step):
    """The boxes that none of a better score covers."""

    name = "suppress_boxes"
    uses_kernels = True

    def __init__(self, said: SuppressBoxes) -> None:
        """Keep what model.yaml says.

        Raises:
            TypeError, ValueError: nothing can be kept so.
        """
        self._said = said
        self.takes = (said.boxes, said.scores, said.classes)
        score = float("-inf") if said.score is None else said.score
        self._suppression = Suppression(overlap=said.overlap, score=score, most=said.most)

    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return what is kept, the best first, and how much that is.

        Raises:
            ModelInvalid: those are no boxes with a score and a class each.
        """
        boxes, scores, classes = taken
        count = boxes.shape[:1]
        found = [(one.datatype, one.shape) for one in taken]
        if found != [("FP32", (*count, 4)), ("FP32", count), ("INT32", count)]:
            raise ModelInvalid(f"{READS}, not {boxes}, {scores} and {classes}")
        most, said = self._said.most, self._said
        return [
            Tensor(said.kept_boxes, "FP32", [most, 4]),
            Tensor(said.kept_scores, "FP32", [most]),
            Tensor(said.kept_classes, "INT32", [most]),
            Tensor(said.count, "INT32", []),
        ]

    def load(self, context: Context, kernels: Implementation) -> None:
        """Keep what suppresses."""
        self._kernels = kernels

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return what is kept of each row.

        Raises:
            ModelBroken: the model returned other shapes.
        """
        boxes, scores, classes = taken
        count = boxes.shape[1] if boxes.ndim == 3 else 0
        shapes = [list(one.shape) for one in taken]
        if shapes != [[batch.rows, count, 4], [batch.rows, count], [batch.rows, count]]:
            raise ModelBroken(f"{READS} of {batch.rows} rows, but the model returned {shapes}")
        starts = self._kernels.place(np.arange(batch.rows + 1, dtype=np.int64) * count)
        flat = RaggedBoxes(boxes.reshape(-1, 4), scores.reshape(-1), classes.reshape(-1), starts)
        indices, counts = self._kernels.run("suppress_boxes", flat, self._suppression)
        names = (self._said.kept_boxes, self._said.kept_scores, self._said.kept_classes)
        kept = _kept(flat, indices) if count else _nothing(batch.rows, self._said.most)
        return {**dict(zip(names, kept, strict=True)), self._said.count: counts}


def _kept(flat: RaggedBoxes, indices: Any) -> list[Any]:
    """Return boxes, scores and classes at ``indices``, by what any library's arrays can do."""
    at = indices.clip(0) + flat.offsets[:-1, None]
    kept = [one[at] for one in (flat.boxes, flat.scores, flat.classes)]
    for one, nothing in zip(kept, NOTHING, strict=True):
        one[indices < 0] = nothing
    return kept


def _nothing(rows: int, most: int) -> list[Any]:
    boxes, score, kind = NOTHING
    return [
        np.full((rows, most, 4), boxes, np.float32),
        np.full((rows, most), score, np.float32),
        np.full((rows, most), kind, np.int32),
    ]
