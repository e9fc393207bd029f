"""`softmax_top_k` and `labels`: scores of classes become names."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.config.processing import Labels, SoftmaxTopK
from headrace.errors import ModelBroken, ModelInvalid
from headrace.models import Batch, Context, Tensor
from headrace.models.host import on_host
from headrace.processing.implementation import Implementation
from headrace.processing.step import Step


class RankStep(Step):
    """The likeliest classes."""

    name = "softmax_top_k"
    uses_kernels = True

    def __init__(self, said: SoftmaxTopK) -> None:
        self._said = said
        self.takes = (said.input,)

    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return probabilities and classes, the best first.

        Raises:
            ModelInvalid: those are no scores, or too few.
        """
        (scores,) = taken
        if scores.datatype not in ("FP32", "FP16", "BF16") or len(scores.shape) != 1:
            raise ModelInvalid(f"softmax_top_k reads floats [classes], not {scores}")
        k, (classes,) = self._said.k, scores.shape
        if 0 <= classes < k:
            raise ModelInvalid(f"softmax_top_k: k is {k}, and {scores} has {classes} classes")
        return [
            Tensor(self._said.probabilities, "FP32", [k]),
            Tensor(self._said.classes, "INT64", [k]),
        ]

    def load(self, context: Context, kernels: Implementation) -> None:
        """Keep what ranks."""
        self._kernels = kernels

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return the best of each row.

        Raises:
            ModelBroken: the model returned fewer classes.
        """
        (scores,) = taken
        if scores.ndim != 2 or scores.shape[1] < self._said.k:
            raise ModelBroken(
                f"softmax_top_k reads scores [rows, {self._said.k} or more], but the model "
                f"returned {self._said.input!r} as {list(scores.shape)}"
            )
        probabilities, classes = self._kernels.run("softmax_top_k", scores, self._said.k)
        return {self._said.probabilities: probabilities, self._said.classes: classes}


class LabelStep(Step):
    """Names of classes."""

    name = "labels"

    def __init__(self, said: Labels) -> None:
        self._said = said
        self._names: NDArray[np.object_] = np.empty(0, object)
        self.takes = (said.input,)

    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return a name for each number.

        Raises:
            ModelInvalid: those are no numbers of classes.
        """
        (classes,) = taken
        if classes.datatype not in ("INT32", "INT64"):
            raise ModelInvalid(f"labels reads INT64 or INT32, not {classes}")
        return [Tensor(self._said.output, "BYTES", classes.shape)]

    def load(self, context: Context, kernels: Implementation) -> None:
        """Read the names.

        Raises:
            ModelInvalid: there are none.
        """
        file = context.folder / self._said.file
        try:
            # Some editors begin a file with a mark. A file's lines end at line feeds, not at all
            # that str.splitlines() knows: a name too many would give each class another's.
            with file.open(encoding="utf-8-sig") as lines:
                names = [one.rstrip("\n") for one in lines if not one.startswith("#")]
        except (OSError, UnicodeDecodeError) as error:
            raise ModelInvalid(f"labels: {file} cannot be read: {error}") from error
        self._names = np.array(names, dtype=object)
        if not len(self._names):
            raise ModelInvalid(f"labels: {file} has no name: expected one a line")

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return the names.

        Raises:
            ModelBroken: there is no class of such a number.
        """
        # Names are texts, which no device has.
        classes = on_host(taken[0])
        most = len(self._names)
        if classes.size and (classes.min() < 0 or classes.max() >= most):
            raise ModelBroken(
                f"labels: {self._said.file} has names of classes 0 to {most - 1}, and "
                f"{self._said.input!r} has {classes.min()} to {classes.max()}"
            )
        return {self._said.output: self._names[classes]}
