"""What a model returned: brought to the host's memory, and compared with what it declared."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from headrace.errors import ModelBroken
from headrace.execution.elements import Elements, check_elements, shape_of
from headrace.models import Tensor
from headrace.models.host import on_host
from headrace.models.returned import named
from headrace.vocabulary import NUMPY_NAMES


def to_host(returned: Any, who: str = "predict() should return") -> dict[str, Any]:
    """Return a model's outputs as the core can read them; what lies in the host's memory stays.

    Args:
        returned: what the model gave.
        who: how the sentence begins that says what it should have given.

    Raises:
        ModelBroken: ``returned`` is no mapping.
    """
    return {name: on_host(value) for name, value in named(returned, who).items()}


def verify(
    declared: Sequence[Tensor],
    rows: int,
    outputs: Mapping[str, Any],
    shapes: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> None:
    """Check outputs as the core does, before there is a core to do it.

    Args:
        declared: what there should be.
        rows: of the batch.
        outputs: what there is.
        shapes: of outputs whose rows have the sizes of an input's, the whole one.

    Raises:
        ModelBroken: names, a datatype or a shape are not what was declared.
    """
    names = [one.name for one in declared]
    if sorted(names) != sorted(outputs):
        raise ModelBroken(f"declared outputs {names}, but returned {list(outputs)}")
    for tensor in declared:
        if wrong := misfit(
            tensor, shapes.get(tensor.name, [rows, *tensor.shape]), outputs[tensor.name]
        ):
            expected, found = wrong
            raise ModelBroken(
                f"declared output {tensor.name!r} as {expected} for this batch of {rows} rows, but "
                f"returned {found}"
            )


def misfit(tensor: Tensor, expected: Sequence[int], value: Any) -> tuple[str, str] | None:
    """Return what a tensor should be and what ``value`` is; None when it fits."""
    wanted = f"{tensor.datatype}{list(expected)}"
    try:
        datatype, shape = _facts(tensor.datatype, expected, value)
    except ValueError as error:
        return wanted, str(error)
    fits = len(shape) == len(expected) and all(
        want in (-1, have) for want, have in zip(expected, shape, strict=True)
    )
    # The batch axis is never any size.
    if datatype == tensor.datatype and fits and shape[0] == expected[0]:
        return None
    found = f"{datatype}{shape}"
    if isinstance(value, list | tuple) and len(shape) == 1 and -1 in expected:
        found += ": a flat list does not say how long a row is, so return a list of equally long "
        found += "lists, or an array"
    return wanted, found


def _facts(declared: str, expected: Sequence[int], value: Any) -> tuple[str, list[int]]:
    """Return datatype and shape of an output.

    Raises:
        ValueError: it has none; the text ends "but returned ...".
    """
    if isinstance(value, Elements):
        return "BYTES", list(value.shape)
    array = _as_array(value)
    if array is None:
        kind = type(value).__name__
        if declared != "BYTES":
            made = f"numpy.array(it, {NUMPY_NAMES[declared]!r}) makes one"
            raise ValueError(f"an object of type {kind}, which is no array: {made}")
        if not isinstance(value, list | tuple):
            raise ValueError(f"an object of type {kind}")
        return "BYTES", shape_of(value, expected)
    shape = [int(size) for size in array.shape]
    if array.dtype.kind in "OSUT":
        if declared == "BYTES":
            check_elements(array.ravel().tolist())
        return "BYTES", shape
    known = {numpy_name: datatype for datatype, numpy_name in NUMPY_NAMES.items()}
    if array.dtype.name not in known or not array.dtype.isnative:
        raise ValueError(f"an array of {array.dtype.str} with shape {shape}")
    return known[array.dtype.name], shape


def _as_array(value: Any) -> Any:
    """Return the NumPy array that the core would make; None for what is no array at all."""
    # Brings NumPy, which must not come before its count of threads is set.
    import numpy as np

    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return np.asarray(value)
    try:
        memoryview(value)
    except TypeError:
        return None
    # Text is a buffer too, and one element rather than an array of numbers.
    return None if isinstance(value, bytes) else np.asarray(value)
