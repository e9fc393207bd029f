"""What a model returned: brought to the host's memory, and compared with what it declared."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from headrace.errors import ModelBroken
from headrace.models import Tensor
from headrace.vocabulary import NUMPY_NAMES


def to_host(returned: Any) -> dict[str, Any]:
    """Return a model's outputs as the core can read them; what lies in the host's memory stays.

    Raises:
        ModelBroken: ``returned`` is no mapping.
    """
    if not isinstance(returned, Mapping):
        raise ModelBroken(
            f"predict() should return a dict of output name to array, not {type(returned).__name__}"
        )
    return {name: _array_to_host(value) for name, value in returned.items()}


def _array_to_host(value: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        from headrace.models.torch_tensor import to_host

        return to_host(value)
    if hasattr(value, "__cuda_array_interface__"):
        # CuPy's name for a copy to the host.
        return value.get()
    return value


def verify(declared: Sequence[Tensor], rows: int, outputs: Mapping[str, Any]) -> None:
    """Check outputs as the core does, before there is a core to do it.

    Raises:
        ModelBroken: names, a datatype or a shape are not what was declared.
    """
    names = [one.name for one in declared]
    if sorted(names) != sorted(outputs):
        raise ModelBroken(f"declared outputs {names}, but returned {list(outputs)}")
    for tensor in declared:
        if wrong := misfit(tensor, rows, outputs[tensor.name]):
            expected, found = wrong
            raise ModelBroken(
                f"declared output {tensor.name!r} as {expected} for this batch of {rows} rows, but "
                f"returned {found}"
            )


def misfit(tensor: Tensor, rows: int, value: Any) -> tuple[str, str] | None:
    """Return what a tensor should be and what ``value`` is; None when it fits."""
    expected = [rows, *tensor.shape]
    datatype, shape = _facts(value)
    fits = len(shape) == len(expected) and all(
        want in (-1, have) for want, have in zip(expected, shape, strict=True)
    )
    if tensor.datatype == "BYTES":
        # A flat sequence stands for any shape with as many elements.
        fits = fits or _holds(expected, shape)
    if datatype == tensor.datatype and fits:
        return None
    return f"{tensor.datatype}{expected}", f"{datatype}{shape}"


def _facts(value: Any) -> tuple[str, list[int]]:
    """Return datatype and shape of an output."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return "BYTES", [len(value)]
        return type(value).__name__, []
    shape = [int(size) for size in value.shape]
    name = getattr(dtype, "name", str(dtype))
    if getattr(dtype, "kind", "") in "OSU":
        return "BYTES", shape
    known = {numpy_name: datatype for datatype, numpy_name in NUMPY_NAMES.items()}
    return known.get(name, name), shape


def _holds(expected: Sequence[int], shape: Sequence[int]) -> bool:
    if len(shape) != 1:
        return False
    fixed = 1
    for size in expected:
        fixed *= size if size != -1 else 1
    return shape[0] % fixed == 0 if -1 in expected else shape[0] == fixed
