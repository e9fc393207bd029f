"""What a graph takes and gives, as tensors with an axis of rows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.errors import ModelInvalid
from headrace.models import Tensor

#: ONNX Runtime's word for a type → ours.
DATATYPES: Final[dict[str, str]] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
#: Other types → what to do about them.
UNSERVED: Final[dict[str, str]] = {
    "tensor(bfloat16)": "ONNX Runtime gives NumPy no such arrays: cast it inside of the graph",
    "seq(map(int64,tensor(float)))": "export the classifier without ZipMap (zipmap=False)",
    "seq(map(string,tensor(float)))": "export the classifier without ZipMap (zipmap=False)",
}


@dataclass(frozen=True)
class Port:
    """An input or output as ONNX Runtime tells of it; axes of any size are texts or None."""

    name: str
    type: str
    shape: Sequence[str | int | None]


@dataclass(frozen=True)
class Signature:
    """What callers send and get, and how the graph wants it."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    #: The first axis is 1 in the graph: rows run one by one.
    one_by_one: bool


def whole(file: Any, inputs: Sequence[Port], outputs: Sequence[Port]) -> Signature:
    """Return the signature of a graph whose tensors have no axis of rows.

    Raises:
        ModelInvalid: it has tensors that cannot be served.
    """
    for side, one in [*(("input", one) for one in inputs), *(("output", one) for one in outputs)]:
        _check_type(f"{file}: {side} {one.name!r}", one)
    return Signature(
        [_tensor(file, "input", one, one.shape) for one in inputs],
        [_tensor(file, "output", one, one.shape) for one in outputs],
        one_by_one=False,
    )


def signature(file: Any, inputs: Sequence[Port], outputs: Sequence[Port]) -> Signature:
    """Return the signature of the graph in ``file``; its first axes are the axis of rows.

    Raises:
        ModelInvalid: it has tensors that cannot be served, or no axis of rows.
    """
    ports = [*(("input", one) for one in inputs), *(("output", one) for one in outputs)]
    firsts = {_first(f"{file}: {side} {one.name!r}", one): (side, one) for side, one in ports}
    if len(firsts) > 1:
        (side, one), (other_side, other) = firsts[1], firsts[None]
        raise ModelInvalid(
            f"{file}: the first axis of {side} {one.name!r} is 1, and that of {other_side} "
            f"{other.name!r} of any size: all of them are the axis of rows, so export it with a "
            "first axis of any size everywhere"
        )
    if not inputs:
        raise ModelInvalid(f"{file} has no input: there is nothing that callers could send")
    return Signature(
        [_tensor(file, "input", one, one.shape[1:]) for one in inputs],
        [_tensor(file, "output", one, one.shape[1:]) for one in outputs],
        one_by_one=1 in firsts,
    )


def _check_type(who: str, port: Port) -> None:
    if port.type not in DATATYPES:
        why = UNSERVED.get(port.type, f"served are {', '.join(DATATYPES)}")
        raise ModelInvalid(f"{who} is of {port.type}: {why}")


def _first(who: str, port: Port) -> int | None:
    """Return the size of the axis of rows: None is any."""
    _check_type(who, port)
    if not port.shape:
        raise ModelInvalid(
            f"{who} has no axes, or does not say which: every input and output has a first axis "
            "of rows"
        )
    first = port.shape[0]
    if isinstance(first, int) and first != 1:
        raise ModelInvalid(
            f"{who} has a first axis of {first}, but that is the axis of rows: export it with a "
            "first axis of any size (dynamic_axes or dynamic_shapes), or of 1, which runs rows one "
            "by one"
        )
    return first if isinstance(first, int) else None


def _tensor(file: Any, side: str, port: Port, sizes: Sequence[str | int | None]) -> Tensor:
    shape = [size if isinstance(size, int) else -1 for size in sizes]
    if not port.name or 0 in shape:
        raise ModelInvalid(f"{file}: {side} {port.name!r} has a size of 0, or no name")
    return Tensor(port.name, DATATYPES[port.type], shape)
