"""The tests' stand-in for a GPU as steps know it: its arrays are of a kind of their own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tests.kernels.shim.guarded import guarded
from tests.kernels.shim.machine import Shim

from headrace_kernels.launch import FLOATS, View


class There(np.ndarray[Any, Any]):
    """An array that lies on the stand-in, as CuPy's do on a GPU."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.__array_interface__, "version": 3}

    def get(self) -> np.ndarray[Any, Any]:
        """Return a copy in the host's memory; CuPy's name for it."""
        return np.array(self, subok=False)


class ShimAccelerator(Shim):
    """Runs the shipped .cu files; what was not placed first is refused, as by a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.used: list[tuple[int, int | None]] = []

    def use(self, number: int, stream: int | None) -> None:
        self.used.append((number, stream))

    def place(self, array: Any, dtype: str | None = None) -> Any:
        if isinstance(array, There):
            return array
        if not isinstance(array, np.ndarray):
            if not hasattr(array, "__array_interface__") and not hasattr(array, "numpy"):
                return array
            array = np.asarray(array)
        placed = guarded(np.ascontiguousarray(array)).view(There)
        return placed if dtype is None else placed.view(FLOATS[dtype])

    def join(self, arrays: Sequence[Any]) -> Any:
        return self.place(np.concatenate([np.asarray(one).reshape(-1) for one in arrays]))

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Any:
        return super().empty(shape, dtype).view(There)

    def view(self, array: Any, name: str) -> View:
        if not isinstance(array, There):
            raise TypeError(f"{name} is {type(array).__name__}, not an array on a device")
        return super().view(array, name)
