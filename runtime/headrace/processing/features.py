"""`encode_features`: a row of a table becomes a model's input."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headrace.config.processing import EncodeFeatures
from headrace.models import Batch, Context, Tensor
from headrace.processing.implementation import Implementation
from headrace.processing.step import Step
from headrace.vocabulary import NUMPY_NAMES
from headrace_kernels.parameters import finite
from headrace_kernels.tabular import Encoding, Features, one_hot_starts


class EncodeStep(Step):
    """Numbers standardised, categories one-hot."""

    name = "encode_features"
    uses_kernels = True

    def __init__(self, said: EncodeFeatures) -> None:
        """Keep what model.yaml says.

        Raises:
            TypeError, ValueError: that makes no row.
        """
        self._said = said
        self.takes = tuple(one for one in (said.numbers, said.categories) if one is not None)
        starts, hot = one_hot_starts(said.sizes)
        self._encoding = Encoding(
            np.array([finite("mean", one) for one in said.mean], np.float32),
            np.array([_scale(one) for one in said.std], np.float32),
            starts,
            hot,
            missing=float("nan") if said.missing is None else finite("missing", said.missing),
            dtype=NUMPY_NAMES[said.datatype],  # type: ignore[arg-type]
        )

    def asks(self) -> Sequence[Tensor]:
        """Return numbers and categories, those that there are."""
        said = self._said
        asked = []
        if said.numbers is not None:
            asked.append(Tensor(said.numbers, "FP32", [len(said.mean)]))
        if said.categories is not None:
            asked.append(Tensor(said.categories, "INT32", [len(said.sizes)]))
        return asked

    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the row."""
        columns = len(self._said.mean) + self._encoding.hot
        return [Tensor(self._said.output, self._said.datatype, [columns])]

    def load(self, context: Context, kernels: Implementation) -> None:
        """Place what was learned of the columns."""
        self._kernels = kernels
        learned = self._encoding
        self._placed = replace(
            learned,
            mean=kernels.place(learned.mean),
            scale=kernels.place(learned.scale),
            starts=kernels.place(learned.starts),
        )

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return the rows of a batch."""
        given = dict(zip(self.takes, taken, strict=True))
        numbers = given.get(self._said.numbers or "", np.empty((batch.rows, 0), np.float32))
        categories = given.get(self._said.categories or "", np.empty((batch.rows, 0), np.int32))
        features = Features(self._kernels.place(numbers), self._kernels.place(categories))
        made = self._kernels.run("encode_features", features, self._placed)
        return {self._said.output: made}

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return rows of the mean, and of the first of each category."""
        examples = {
            self._said.numbers: np.tile(self._encoding.mean, (rows, 1)),
            self._said.categories: np.zeros((rows, len(self._said.sizes)), np.int32),
        }
        return {name: value for name, value in examples.items() if name is not None}


def _scale(std: float) -> float:
    return finite("1 / std", 1 / finite("std", std))
