"""How rows of different sizes share a batch: what the core is told, and how made-up ones look."""

import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final

from headrace.config.batching import Batching
from headrace.config.joining import Join, Pad
from headrace.errors import ModelBroken, ModelInvalid
from headrace.models import Tensor

#: As the core: bytes that one input of a batch is padded to.
MOST_PADDED: Final = 1 << 30
#: How one element is packed, little-endian.
FORMATS: Final = {
    "BOOL": "<B",
    "UINT8": "<B",
    "UINT16": "<H",
    "UINT32": "<I",
    "UINT64": "<Q",
    "INT8": "<b",
    "INT16": "<h",
    "INT32": "<i",
    "INT64": "<q",
    "FP16": "<e",
    "BF16": "<f",
    "FP32": "<f",
    "FP64": "<d",
}


def check_inputs(batching: Batching, inputs: Sequence[Tensor]) -> None:
    """Check that the model's inputs can be joined as model.yaml says.

    Raises:
        ModelInvalid: they cannot, and why.
    """
    takes = {one.name: one for one in inputs}
    for name, join in batching.join.items():
        if name not in takes:
            raise ModelInvalid(
                f"batching.join names the input {name!r}, which the model does not declare: its "
                f"inputs are {', '.join(takes)}"
            )
        if why := _unfit(takes[name], join, batching.max_rows):
            raise ModelInvalid(f"batching.join of input {name!r}: {why}")


def check(batching: Batching, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """The same of the outputs, too.

    Raises:
        ModelInvalid: they cannot, and why.
    """
    check_inputs(batching, inputs)
    takes = {one.name: one for one in inputs}
    gives = {one.name: one for one in outputs}
    for name, like in batching.like.items():
        if name not in gives:
            raise ModelInvalid(
                f"batching.like names the output {name!r}, which the model does not declare: its "
                f"outputs are {', '.join(gives)}"
            )
        if why := _unlike(gives[name], takes[like], batching.join[like]):
            raise ModelInvalid(f"batching.like of output {name!r}: {why}")


def join_facts(join: Join | None, datatype: str) -> Any:
    """Return what the core is told of an input's join, as JSON takes it."""
    if join is None or join.stack:
        return "stack"
    if join.pad is None:
        return "ragged"
    pad = join.pad
    fill = int.from_bytes(_element(pad.value, datatype), "little")
    return {"pad": {"fill": fill, "multiple_of": pad.multiple_of, "sizes": pad.sizes}}


def longest(join: Join | None) -> int | None:
    """Return the largest size that an axis may have; None for any."""
    return join.pad.sizes[-1] if join and join.pad and join.pad.sizes else None


class Arranged:
    """Made-up rows of one size, as the core would show them."""

    def __init__(
        self, batching: Batching, declared: Sequence[Tensor], given: Mapping[str, Any]
    ) -> None:
        self.inputs = dict(given)
        self.sizes: dict[str, Any] = {}
        self.offsets: dict[str, Any] = {}
        self._free = {one.name: _free(one) for one in declared}
        for name, join in batching.join.items():
            if join.pad:
                self._pad(name, join.pad)
            elif join.ragged:
                self._flatten(name)

    def shape(self, like: str, output: Tensor) -> list[int]:
        """Return the shape of an output whose rows have the sizes of the input ``like``."""
        sizes = self.inputs[like].shape
        if like in self.offsets:
            return [sizes[0], *output.shape[1:]]
        free = iter([sizes[axis + 1] for axis in self._free[like]])
        return [sizes[0], *(next(free) if size == -1 else size for size in output.shape)]

    def _pad(self, name: str, pad: Pad) -> None:
        import numpy as np

        array = self.inputs[name]
        sizes = [array.shape[axis + 1] for axis in self._free[name]]
        self.sizes[name] = np.array([sizes] * len(array), np.int64)
        whole = list(array.shape)
        for axis in self._free[name]:
            size = pad.size(array.shape[axis + 1])
            if size is None:
                raise ModelBroken(
                    f"example() gives input {name!r} as {list(array.shape)}, but the sizes of its "
                    f"axes are at most {pad.sizes[-1]} (batching.join)"
                )
            whole[axis + 1] = size
        padded = np.full(whole, pad.value, array.dtype)
        padded[tuple(slice(size) for size in array.shape)] = array
        padded.flags.writeable = False
        self.inputs[name] = padded

    def _flatten(self, name: str) -> None:
        import numpy as np

        array = self.inputs[name]
        rows, size, *rest = array.shape
        self.offsets[name] = np.arange(rows + 1, dtype=np.int64) * size
        self.inputs[name] = array.reshape(rows * size, *rest)


def _unfit(tensor: Tensor, join: Join, max_rows: int) -> str:
    shape, free = list(tensor.shape), _free(tensor)
    if join.stack:
        return ""
    if tensor.datatype == "BYTES":
        return "it is of BYTES, whose elements have lengths of their own: take it out"
    if join.pad is None:
        return (
            ""
            if free == [0]
            else (
                "ragged rows are put one behind the other along their first axis, which must be "
                f"the only one of any size (-1), but its shape is {shape}"
            )
        )
    if not free:
        return f"its shape is {shape}: no axis is of any size (-1), so there is nothing to pad"
    pad = join.pad
    try:
        element = _element(pad.value, tensor.datatype)
    except (struct.error, OverflowError, ValueError):
        return f"the value {pad.value:g} is none of {tensor.datatype}"
    most = pad.sizes[-1] if pad.sizes else pad.multiple_of
    whole = prod(most if size == -1 else size for size in shape) * max_rows * len(element)
    if whole > MOST_PADDED:
        return (
            f"{max_rows} rows padded to {most} are {whole} bytes, and at most {MOST_PADDED} are "
            "padded to: make max_rows or the size less"
        )
    return ""


def _unlike(output: Tensor, like: Tensor, join: Join) -> str:
    if output.datatype == "BYTES":
        return "it is of BYTES, which cannot be cut: take it out"
    free, wanted = _free(output), _free(like)
    if len(free) != len(wanted) or (join.ragged and free != [0]):
        return (
            f"its shape is {list(output.shape)}, and that of input {like.name!r} is "
            f"{list(like.shape)}: expected as many axes of any size (-1)"
            + (", the first one" if join.ragged else "")
        )
    return ""


def _free(tensor: Tensor) -> list[int]:
    return [axis for axis, size in enumerate(tensor.shape) if size == -1]


def _element(value: float, datatype: str) -> bytes:
    """Return one element as it is in memory.

    Raises:
        ValueError, OverflowError, struct.error: the datatype has no such value.
    """
    if datatype in ("FP16", "BF16", "FP32", "FP64"):
        packed = struct.pack(FORMATS[datatype], value)
        return _rounded(packed) if datatype == "BF16" else packed
    if not value.is_integer() or (datatype == "BOOL" and value not in (0, 1)):
        raise ValueError(f"{value} is none of {datatype}")
    return struct.pack(FORMATS[datatype], int(value))


def _rounded(packed: bytes) -> bytes:
    """Return the upper half of an FP32, rounded to the nearest, and to even in the middle."""
    bits = int.from_bytes(packed, "little")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 & 0xFFFF).to_bytes(2, "little")
