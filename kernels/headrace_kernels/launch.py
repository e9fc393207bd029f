"""What a launcher says and a machine does: a kernel, a grid, and arguments that were checked."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    """An array as a kernel sees it."""

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    contiguous: bool
    writable: bool


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


def checked(view: View, name: str, dtype: DTypeLike, shape: tuple[int | None, ...]) -> View:
    """Return ``view`` if a kernel may read it as ``dtype`` of ``shape``; None is any size."""
    dtype = np.dtype(dtype)
    # Bits are bits: bfloat16 comes as the 16-bit integers that other libraries can name.
    if view.dtype != dtype and not (dtype.name == "bfloat16" and view.dtype == np.uint16):
        raise TypeError(f"{name} is {view.dtype}; it must be {dtype}")
    fits = len(view.shape) == len(shape) and all(
        want is None or have == want for have, want in zip(view.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} has shape {list(view.shape)}; it must be [{wanted}]")
    if not view.contiguous:
        raise ValueError(f"{name} must be contiguous, in C order")
    return view


def aligned(view: View, name: str, by: int) -> View:
    """Return ``view`` if it begins at a multiple of ``by`` bytes, as wide loads need it."""
    if view.pointer % by:
        raise ValueError(f"{name} begins at address {view.pointer:#x}, not at a multiple of {by}")
    return view


def output(
    machine: Machine, out: Any, dtype: np.dtype[Any], shape: tuple[int, ...], name: str = "out"
) -> Any:
    """Return ``out`` if results of this ``dtype`` and ``shape`` may go there, or a new array."""
    if out is None:
        return machine.empty(shape, dtype)
    if not checked(machine.view(out, name), name, dtype, shape).writable:
        raise ValueError(f"{name} is read-only")
    return out
