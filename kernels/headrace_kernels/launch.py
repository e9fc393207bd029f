"""What a launcher says and a machine does: a kernel, a grid, and arguments that were checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True, slots=True)
class Kernel:
    """One compiled function: a source with its choices made."""

    source: str
    entry: str
    # What the preprocessor is told; the choices that the inner loops depend on.
    defines: tuple[tuple[str, int | str], ...] = ()
    # Off where results are promised to the bit: a fused multiply-add rounds once instead of twice.
    fused_multiply_add: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """An array as a kernel sees it, and what its caller calls it."""

    name: str
    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    contiguous: bool
    writable: bool

    @property
    def end(self) -> int:
        """The address behind its last byte, if it is contiguous."""
        return self.pointer + prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Result:
    """An array that a kernel writes."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Launch:
    kernel: Kernel
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    # As CUDA takes them: each a scalar whose bytes are the argument. A pointer is a uint64.
    arguments: tuple[NDArray[Any], ...]


class Machine(Protocol):
    """Where kernels run: the current device and stream of CuPy, or the tests' stand-in for one."""

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Any: ...

    def view(self, array: Any, name: str) -> View: ...

    def launch(self, launch: Launch) -> None: ...


# The floats that models read, by the names that the .cu files know them by.
FLOATS: dict[str, np.dtype[Any]] = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
}

# A grid's y and z have 16 bits; x has 31.
MAX_GRID_YZ = 65_535


def pointer(view: View) -> NDArray[Any]:
    return np.array(view.pointer, np.uint64)


def contiguous(shape: tuple[int, ...], strides: Sequence[int] | None, itemsize: int) -> bool:
    """Return whether elements lie side by side in C order; no strides mean that they do."""
    if strides is None or 0 in shape:
        return True
    expected = itemsize
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def checked(view: View, dtype: DTypeLike, shape: tuple[int | None, ...]) -> View:
    """Return ``view`` if a kernel may read it as ``dtype`` of ``shape``; None is any size."""
    dtype = np.dtype(dtype)
    # Bits are bits: bfloat16 comes as the 16-bit integers that other libraries can name.
    if view.dtype != dtype and not (dtype.name == "bfloat16" and view.dtype == np.uint16):
        raise TypeError(f"{view.name} is {view.dtype}; it must be {dtype}")
    fits = len(view.shape) == len(shape) and all(
        want is None or have == want for have, want in zip(view.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{view.name} has shape {list(view.shape)}; it must be [{wanted}]")
    if not view.contiguous:
        raise ValueError(f"{view.name} must be contiguous, in C order")
    return aligned(view, dtype.itemsize)


def aligned(view: View, by: int) -> View:
    """Return ``view`` if it begins at a multiple of ``by`` bytes, as loads so wide need it."""
    if view.pointer % by:
        found = f"{view.name} begins at address {view.pointer:#x}"
        raise ValueError(f"{found}, not at a multiple of {by}")
    return view


def output(
    machine: Machine, given: Any, result: Result, others: Sequence[View]
) -> tuple[Any, View]:
    """Return ``given`` if a result may go there, or else a new array; and the view of it.

    It may go where it can be written and none of the ``others`` lies, not even in a byte: some
    threads still read those while others write.
    """
    if given is None:
        made = machine.empty(result.shape, result.dtype)
        return made, machine.view(made, result.name)
    view = checked(machine.view(given, result.name), result.dtype, result.shape)
    if not view.writable:
        raise ValueError(f"{view.name} is read-only")
    for other in others:
        if view.pointer < other.end and other.pointer < view.end:
            raise ValueError(f"{view.name} lies in the memory of {other.name}")
    return given, view
