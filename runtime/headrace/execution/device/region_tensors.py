"""Callers' memory as PyTorch's tensors: gathered into inputs, and written to, without the host."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from headrace.execution.device.regions import Part
from headrace.models.torch_tensor import as_array, view


def gather(name: str, array: Any, parts: Sequence[Part], device: str) -> torch.Tensor:
    """Return the input ``name`` on ``device``, whose rows are those of ``array`` but for ``parts``.

    Where one part is all of it, that is the caller's memory itself.

    Args:
        array: in the host's memory ``[rows, *shape]``; not looked at where parts are all of it.
        parts: in the order of their rows, which do not overlap.
    """
    kind = view(name, array[:0], "cpu").dtype
    row_shape = tuple(array.shape[1:])
    whole = parts[0]
    if whole.rows == len(array):
        return _rows(whole, kind, row_shape)
    if sum(part.rows + part.repeated for part in parts) == len(array):
        there = torch.empty(tuple(array.shape), dtype=kind, device=device)
    else:
        there = view(name, array, device)
        if device == "cpu":
            there = there.clone()
    for part in parts:
        end = part.row + part.rows
        there[part.row : end].copy_(_rows(part, kind, row_shape))
        if part.repeated:
            there[end : end + part.repeated].copy_(there[end - 1 : end])
    return there


def write(value: Any, part: Part) -> int | None:
    """Begin to copy the rows of an output to where they go; how many bytes they have if too many.

    Args:
        value: of any library that PyTorch reads, on any device ``[rows, *shape]``.
        part: at least as many bytes as those rows have, or nothing is written.
    """
    rows = _tensor(value)[part.row : part.row + part.rows].detach()
    size: int = rows.numel() * rows.element_size()
    if size > part.byte_size:
        return size
    room = part.memory[part.offset : part.offset + size].view(rows.dtype).view(rows.shape)
    # From the host's memory it is done at once: that may not be there later.
    room.copy_(rows, non_blocking=rows.device.type != "cpu")
    return None


def blank(value: Any) -> Any:
    """Return an array of zeros in the host's memory like ``value``, which takes none of it."""
    tensor = _tensor(value)
    # Of calloc: pages that nobody touches.
    return as_array(torch.zeros(tuple(tensor.shape), dtype=tensor.dtype))


def _rows(part: Part, kind: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    size = part.rows * prod(shape) * kind.itemsize
    rows: torch.Tensor = part.memory[part.offset : part.offset + size]
    return rows.view(kind).view(part.rows, *shape)


def _tensor(value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    if hasattr(value, "__cuda_array_interface__"):
        # DLPack makes this stream wait for the one that the array was made on.
        return torch.from_dlpack(value)
    import numpy as np

    return view("", np.ascontiguousarray(value), "cpu")
