"""The rows that a model answers at once."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from headrace.models.reason import reason

if TYPE_CHECKING:
    import torch


class SequenceRow(Protocol):
    """Which sequence a row is of, for a stateful model."""

    #: The model's own, None at first. Dropped when the sequence is over, or begins anew.
    state: Any

    @property
    def id(self) -> int | str:
        """What its caller calls it; 0 of a row that is nobody's."""

    @property
    def start(self) -> bool:
        """The row is the first of its sequence."""

    @property
    def end(self) -> bool:
        """The row is the last of its sequence."""

    @property
    def ready(self) -> bool:
        """Somebody sent this row. Others are made up, and nobody sees what becomes of them."""


class Rows(Protocol):
    """What a batch is made of: the core's, or one that was made up to warm a model up."""

    @property
    def rows(self) -> int: ...
    @property
    def inputs(self) -> Mapping[str, Any]: ...
    @property
    def sizes(self) -> Mapping[str, Any]: ...
    @property
    def offsets(self) -> Mapping[str, Any]: ...
    @property
    def parameters(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def requests(self) -> Sequence[int]: ...
    @property
    def sequences(self) -> Sequence["SequenceRow"]: ...
    def live(self) -> Sequence[bool]: ...
    def reject(self, row: int, why: str) -> None: ...


@runtime_checkable
class _Copied(Protocol):
    """An array that can be copied, of NumPy or CuPy."""

    dtype: Any

    def copy(self) -> Any: ...


class There:
    """Inputs that came in memory of a device; a model that wants an array gets a copy."""

    def __init__(self, tensors: Mapping[str, Any], read: Callable[[Any], Any]) -> None:
        """Take them.

        Args:
            tensors: as ``batch.tensor()`` gives them.
            read: one of them → an array in the host's memory, which is complete.
        """
        self.tensors, self.read = tensors, read
        self._arrays: dict[str, Any] = {}

    def on_host(self, name: str) -> Any:
        """Return an input as an array, copied the first time."""
        if name not in self._arrays:
            self._arrays[name] = self.read(self.tensors[name])
        return self._arrays[name]


#: An input's name and array → PyTorch's tensor where the model computes.
Place = Callable[[str, Any], "torch.Tensor"]


def place_on(device: str) -> Place:
    """Return what makes tensors on ``device``: ``"cpu"`` or ``"cuda:0"``."""

    def place(name: str, array: Any) -> "torch.Tensor":
        from headrace.models.torch_tensor import view

        return view(name, array, device)

    return place


class Batch:
    """Rows of several callers, side by side. Valid until their answer is made."""

    __slots__ = ("_made", "_place", "_rows", "_tensors", "_there")

    def __init__(
        self,
        rows: Rows,
        place: Place | None = None,
        made: Mapping[str, Any] = MappingProxyType({}),
        there: "There | None" = None,
    ) -> None:
        self._rows = rows
        self._place = place or place_on("cpu")
        #: Inputs that were not sent but made of such.
        self._made = made
        #: Those that came in memory of a device.
        self._there = there
        #: Those that the model asked for as tensors, and had.
        self._tensors: dict[str, torch.Tensor] = {}

    @property
    def rows(self) -> int:
        """How many rows there are: the first axis of each input and output that is not ragged."""
        return self._rows.rows

    @property
    def sizes(self) -> Mapping[str, Any]:
        """Of each padded input the true sizes: an int64 array ``[rows, axes of any size]``."""
        return self._rows.sizes

    @property
    def offsets(self) -> Mapping[str, Any]:
        """Of each ragged input where its rows begin, and the last ends: int64 ``[rows + 1]``."""
        return self._rows.offsets

    @property
    def parameters(self) -> Sequence[Mapping[str, Any]]:
        """What each row's caller sent as request parameters, one mapping a row."""
        return self._rows.parameters

    @property
    def requests(self) -> Sequence[int]:
        """How many rows each request has: those of one follow each other, and came together."""
        return self._rows.requests

    @property
    def sequences(self) -> Sequence[SequenceRow]:
        """The sequence of each row, where model.yaml says ``sequences``.

        No two rows are of one sequence, and those of one come in their order, batch after batch.
        """
        return self._rows.sequences

    def __getitem__(self, name: str) -> Any:
        """Return an input as a read-only view ``[rows, *shape]``, without a copy.

        One that model.yaml pads has the largest sizes of the batch, and a ragged one no axis of
        rows: its rows follow each other (``sizes``, ``offsets``).

        A BYTES input is a flat sequence of memoryviews, row by row, with ``.shape``; BF16 is
        ``ml_dtypes.bfloat16``.

        Raises:
            KeyError: the model declares no input of that name.
        """
        if name in self._made:
            return self._made[name]
        if self._there is not None and name in self._there.tensors:
            return self._there.on_host(name)
        try:
            return self._rows.inputs[name]
        except KeyError:
            known = ", ".join({**self._rows.inputs, **self._made})
            raise KeyError(f"no input {name!r}; the model declares {known}") from None

    def tensor(self, name: str) -> "torch.Tensor":
        """Return an input as a PyTorch tensor on the model's device, not to be written to.

        On the CPU it is the view itself, without a copy.

        Raises:
            KeyError: the model declares no input of that name.
            TypeError: the input is of BYTES.
        """
        if name not in self._tensors:
            there = {} if self._there is None or name in self._made else self._there.tensors
            came = there[name] if name in there else self._place(name, self[name])
            self._tensors[name] = came
        return self._tensors[name]

    def copy(self) -> dict[str, Any]:
        """Return all inputs as arrays of one's own, to write to or to keep.

        BYTES inputs are lists of ``bytes``. What ``prepare`` made and is no array is as it was.
        """
        sent = {
            name: value.copy() if hasattr(value, "dtype") else [bytes(one) for one in value]
            for name, value in ((name, self[name]) for name in self._rows.inputs)
        }
        made = {
            name: value.copy() if isinstance(value, _Copied) else value
            for name, value in self._made.items()
        }
        return sent | made

    def live(self) -> Sequence[bool]:
        """Return for each row whether its caller still waits, as of now."""
        return self._rows.live()

    def reject(self, row: int, why: str) -> None:
        """Answer the caller of this row with "bad request" and ``why``; the others are served.

        Outputs still have this row; what stands there is thrown away.

        Raises:
            IndexError: there is no such row.
            TypeError: ``why`` is no text.
        """
        self._rows.reject(row, reason(why))


def beside(batch: Batch, made: Mapping[str, Any]) -> Batch:
    """Return the same rows with inputs that were made here beside those that were sent."""
    if not made:
        return batch
    return Batch(batch._rows, batch._place, {**batch._made, **made}, batch._there)


def over(batch: Batch, see: Callable[[Rows], Rows]) -> Batch:
    """Return a batch of one row as that row, of which nothing was made yet."""
    there = batch._there
    row = (
        None
        if there is None
        else There({name: tensor[0] for name, tensor in there.tensors.items()}, there.read)
    )
    return Batch(see(batch._rows), batch._place, batch._made, row)


def asked(batch: Batch) -> Collection[str]:
    """Return the names of the inputs that the model has asked for as tensors."""
    # Not a view, which would hold the tensors.
    return tuple(batch._tensors)


def bring(batch: Batch, names: Iterable[str]) -> None:
    """Make tensors of these inputs before the model asks for them."""
    for name in names:
        if name in batch._made or name in batch._rows.inputs:
            batch.tensor(name)
