"""A program whose tensors have no axis of rows, as a Model over batches of one row."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.models import Batch, Context, Model
from headrace.models.batch import Rows, over


class Elements(Sequence[Any]):
    """BYTES elements of one row, as those of no row."""

    def __init__(self, elements: Any) -> None:
        self._elements = elements
        self.shape = tuple(elements.shape[1:])

    def __len__(self) -> int:
        return len(self._elements)

    def __getitem__(self, index: Any) -> Any:
        return self._elements[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._elements)


class TheRow:
    """The one row of a batch, as inputs without an axis for it."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.rows = 1
        self.sizes, self.offsets = rows.sizes, rows.offsets
        self.parameters, self.sequences = rows.parameters, rows.sequences
        self.requests = rows.requests
        self.inputs: Mapping[str, Any] = {
            name: value[0] if hasattr(value, "dtype") else Elements(value)
            for name, value in rows.inputs.items()
        }

    def live(self) -> Sequence[bool]:
        return self._rows.live()

    def reject(self, row: int, why: str) -> None:
        """Refuse the request, whatever of its elements is meant."""
        self._rows.reject(0, why)


class WithoutRows(Model):
    """Takes the one row out of a batch, and puts what comes back into one."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.inputs, self.outputs = model.inputs, model.outputs
        self.concurrency = model.concurrency
        self.outputs_are_new = model.outputs_are_new

    def load(self, context: Context) -> None:
        self._model.load(context)

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        returned = self._model.predict(over(batch, TheRow))
        return {name: as_row(value) for name, value in returned.items()}

    def is_out_of_memory(self, error: BaseException) -> bool:
        return self._model.is_out_of_memory(error)


def as_row(value: Any) -> Any:
    """Return an output as that of one row, without a copy."""
    return value[None] if hasattr(value, "dtype") else [value]
