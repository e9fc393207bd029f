"""One input or output of a model."""

from collections.abc import Sequence

from headrace.vocabulary import DATATYPES


class Tensor:
    """An input or output: its name, datatype and shape without the batch axis.

    Args:
        name: as callers write it.
        datatype: a word of the Open Inference Protocol, such as ``"FP32"`` or ``"BYTES"``.
        shape: sizes after the batch axis; -1 is any size. ``[]`` is one element a row.

    Raises:
        ValueError: the datatype is unknown, or a size is neither positive nor -1.
    """

    __slots__ = ("datatype", "name", "shape")

    def __init__(self, name: str, datatype: str, shape: Sequence[int]) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"a tensor's name is a text that is not empty, not {name!r}")
        if datatype not in DATATYPES:
            raise ValueError(
                f"datatype {datatype!r} of tensor {name!r} is not one of {', '.join(DATATYPES)}"
            )
        for size in shape:
            if not isinstance(size, int) or isinstance(size, bool) or (size < 1 and size != -1):
                raise ValueError(
                    f"shape {list(shape)} of tensor {name!r}: {size!r} is neither a positive size "
                    "nor -1 (any size); the batch axis is implied and not written"
                )
        self.name = name
        self.datatype = datatype
        self.shape = tuple(shape)

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {self.datatype!r}, {list(self.shape)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tensor) and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash(self._facts())

    def _facts(self) -> tuple[str, str, tuple[int, ...]]:
        return self.name, self.datatype, self.shape


def takes_one_file(inputs: Sequence[Tensor]) -> bool:
    """Return whether a row is one element of BYTES, so that a file can be it."""
    return len(inputs) == 1 and inputs[0].datatype == "BYTES" and inputs[0].shape in ((), (1,))
