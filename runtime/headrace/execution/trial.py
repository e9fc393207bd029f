"""Batches that nobody sent: to warm a model up, and to check it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from headrace.config.joining import Join
from headrace.config.schema import ModelConfig
from headrace.errors import ModelBroken
from headrace.execution import joining, sequencing
from headrace.execution.elements import Elements
from headrace.execution.outputs import misfit, verify
from headrace.execution.passage import OPEN, Passage
from headrace.execution.samples import Example
from headrace.execution.sequencing import MadeUpRow
from headrace.models import Model, Tensor
from headrace.models.behalf import NOBODYS
from headrace.vocabulary import numpy_dtype

#: What stands for a size that is any (-1).
ANY_SIZE = 8
#: Inputs of one shape only, and no sequences.
PLAIN = ModelConfig()
#: What stands for an element of BYTES.
ANY_BYTES = b"headrace"


class MadeUpRows:
    """Rows without callers."""

    def __init__(
        self,
        rows: int,
        inputs: Mapping[str, Any],
        sizes: Mapping[str, Any] = MappingProxyType({}),
        offsets: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.rows = rows
        self.inputs = inputs
        self.sizes = sizes
        self.offsets = offsets
        self.parameters: Sequence[Mapping[str, Any]] = [{} for _ in range(rows)]
        #: Each of one row.
        self.requests = [1] * rows
        self.sequences = [MadeUpRow(row + 1) for row in range(rows)]
        #: All of them are here.
        self.on_device: Sequence[Any] = ()
        self.behalf = NOBODYS
        #: Row → why the model refused it.
        self.rejected: dict[int, str] = {}

    def live(self) -> list[bool]:
        """Return True for every row that the model has not rejected."""
        return [row not in self.rejected for row in range(self.rows)]

    def reject(self, row: int, why: str) -> None:
        """Keep the reason."""
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of a batch of {self.rows}")
        self.rejected[row] = why


@dataclass(frozen=True)
class Trial:
    """How one made-up batch went."""

    rows: int
    seconds: float
    rejected: Mapping[int, str]
    #: Of a model that answers in parts: how many it took, ``seconds`` being the slowest.
    steps: int = 0
    #: Of such a model: how many it sent.
    parts: int = 0


def run(
    passage: Passage,
    rows: int,
    clock: Callable[[], float],
    config: ModelConfig = PLAIN,
    example: Example | None = None,
) -> Trial:
    """Run one batch and check what comes back; what the model raises comes through.

    ``example`` gives its inputs; the model's own, if left out.

    Raises:
        ModelBroken: it returned what it did not declare, or gave an example that does not fit.
    """
    batching, model = config.batching, passage.model
    controls = sequencing.controls(config.sequences)
    given = inputs(model, rows, batching.join, controls=controls, example=example)
    arranged = joining.Arranged(batching, model.inputs, given)
    made_up = MadeUpRows(rows, arranged.inputs, arranged.sizes, arranged.offsets)
    began = clock()
    outputs = passage.run(made_up, OPEN) or {}
    seconds = clock() - began
    like = batching.like
    shapes = {
        one.name: arranged.shape(like[one.name], one) for one in model.outputs if one.name in like
    }
    verify(model.outputs, rows, outputs, shapes)
    return Trial(rows, seconds, made_up.rejected)


def inputs(  # noqa: PLR0913 - each says something else of a batch
    model: Model,
    rows: int,
    join: Mapping[str, Join] = PLAIN.batching.join,
    *,
    single: int = 0,
    controls: Mapping[str, str] = MappingProxyType({}),
    example: Example | None = None,
) -> dict[str, Any]:
    """Return an example, or numbers made up for the declared inputs; read-only.

    Args:
        model: whose inputs they are.
        rows: how many.
        join: how rows of different sizes would share a batch.
        single: what is made up for an input that has one whole number a row.
        controls: of the inputs that the core fills, what they say.
        example: gives the others; the model's own, if left out.
    """
    filled = {
        one.name: _control(one, rows, controls[one.name])
        for one in model.inputs
        if one.name in controls
    }
    sent = [one for one in model.inputs if one.name not in controls]
    given = (example or model.example)(rows)
    return _sent(given, sent, rows, join, single) | filled


def _sent(
    example: Mapping[str, Any] | None,
    sent: Sequence[Tensor],
    rows: int,
    join: Mapping[str, Join],
    single: int,
) -> dict[str, Any]:
    if example is None:
        longest = {one.name: joining.longest(join.get(one.name)) for one in sent}
        return {
            one.name: make_up(one, rows, min(ANY_SIZE, longest[one.name] or ANY_SIZE), single)
            for one in sent
        }
    names = [one.name for one in sent]
    if sorted(example) != sorted(names):
        raise ModelBroken(f"example() returned inputs {list(example)}; declared are {names}")
    return {one.name: _as_input(one, rows, example[one.name]) for one in sent}


def _control(tensor: Tensor, rows: int, kind: str) -> Any:
    shape = (rows, *tensor.shape)
    ids = range(1, rows + 1)
    if tensor.datatype == "BYTES":
        return Elements([str(one).encode() for one in ids], shape)
    values = np.array(ids if kind == "id" else [1] * rows)
    return _frozen(values.reshape(shape).astype(numpy_dtype(tensor.datatype)))


def make_up(tensor: Tensor, rows: int, any_size: int = ANY_SIZE, single: int = 0) -> Any:
    """Return ``[rows, *shape]`` numbers that are the same each time: 0, 1, 0, 1 and so on.

    One whole number a row may be ``single`` instead.
    """
    shape = (rows, *(any_size if size == -1 else size for size in tensor.shape))
    if tensor.datatype == "BYTES":
        return Elements([ANY_BYTES] * prod(shape), shape)
    array = (np.arange(prod(shape), dtype=np.int64) % 2).reshape(shape)
    if single and "INT" in tensor.datatype and all(size == 1 for size in tensor.shape):
        array[:] = single
    return _frozen(array.astype(numpy_dtype(tensor.datatype)))


def _as_input(tensor: Tensor, rows: int, given: Any) -> Any:
    value = _elements(tensor, rows, given) if tensor.datatype == "BYTES" else np.array(given)
    if wrong := misfit(tensor, [rows, *tensor.shape], value):
        expected, found = wrong
        raise ModelBroken(
            f"example({rows}) should give input {tensor.name!r} as {expected}, but returned {found}"
        )
    return value if tensor.datatype == "BYTES" else _frozen(value)


def _elements(tensor: Tensor, rows: int, given: Any) -> Elements:
    flat = given.ravel().tolist() if isinstance(given, np.ndarray) else given
    try:
        elements = [
            one.encode() if isinstance(one, str) else bytes(memoryview(one)) for one in flat
        ]
    except TypeError as error:
        raise ModelBroken(
            f"example({rows}) should give input {tensor.name!r} as bytes or str, row by row in one "
            f"flat sequence: {error}"
        ) from error
    shape = [rows, *tensor.shape]
    if isinstance(given, np.ndarray) and given.ndim == len(shape):
        shape = list(given.shape)
    elif shape.count(-1) == 1:
        shape[shape.index(-1)] = len(elements) // -prod(shape)
    return Elements(elements, shape if prod(shape) == len(elements) else [len(elements)])


def _frozen(array: Any) -> Any:
    # As the core's: a model that writes to its input should hear of it now.
    array.flags.writeable = False
    return array
