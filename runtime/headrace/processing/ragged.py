"""`pad_ragged`, and rows of any size as kernels read them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.config.processing import PadRagged
from headrace.models import Batch, Context, Tensor
from headrace.processing.implementation import Implementation
from headrace.processing.step import Step
from headrace.vocabulary import NUMPY_NAMES, numpy_dtype
from headrace_kernels.padding import Padding


def rows_of(name: str, array: Any, batch: Batch) -> tuple[Any, NDArray[np.int64]]:
    """Return rows one behind the other, and where they begin and end, int64 ``[rows + 1]``.

    Args:
        name: of an input with one axis of any size, its first.
        array: the input, however ``batching.join`` has put its rows together.
        batch: what it is of.
    """
    if name in batch.offsets:
        return array, np.asarray(batch.offsets[name], np.int64)
    rest = array.shape[2:]
    if name in batch.sizes:
        sizes = batch.sizes[name][:, 0]
        parts = [row[:size] for row, size in zip(array, sizes, strict=True)]
        return np.concatenate(parts), np.concatenate([[0], np.cumsum(sizes)])
    return array.reshape(-1, *rest), np.arange(len(array) + 1, dtype=np.int64) * array.shape[1]


class PadStep(Step):
    """Lists of any length, made one length."""

    name = "pad_ragged"
    uses_kernels = True

    def __init__(self, said: PadRagged) -> None:
        """Keep what model.yaml says.

        Raises:
            TypeError, ValueError: of such a datatype there is no such value.
        """
        self._said = said
        self.takes = (said.input,)
        self._padding = Padding(
            length=said.length,
            value=said.value,
            side=said.pad_side,
            keep=said.keep,
            mask=NUMPY_NAMES[said.mask_datatype],  # type: ignore[arg-type]
        )
        self._padding.item(numpy_dtype(said.datatype))

    @property
    def _rest(self) -> tuple[int, ...]:
        return () if self._said.width is None else (self._said.width,)

    def asks(self) -> Sequence[Tensor]:
        """Return the list."""
        return [Tensor(self._said.input, self._said.datatype, [-1, *self._rest])]

    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the list of one length, and its mask."""
        said = self._said
        made = [Tensor(said.output, said.datatype, [said.length, *self._rest])]
        return made + (
            [Tensor(said.mask, said.mask_datatype, [said.length])] if said.mask is not None else []
        )

    def load(self, context: Context, kernels: Implementation) -> None:
        """Keep what pads."""
        self._kernels = kernels

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return what it makes of the lists of a batch."""
        placed = map(self._kernels.place, rows_of(self._said.input, taken[0], batch))
        padded, mask = self._kernels.run("pad_ragged", *placed, self._padding)
        made = {self._said.output: padded}
        return made if self._said.mask is None else {**made, self._said.mask: mask}

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return lists of one element, which is 0."""
        return {
            self._said.input: np.zeros((rows, 1, *self._rest), numpy_dtype(self._said.datatype))
        }
