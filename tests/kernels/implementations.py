"""What computes a kernel: one suite runs them all, with NumPy's arrays in and out."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib.util import find_spec
from typing import Any

import headrace_core
import numpy as np
from tests.kernels import gpu
from tests.kernels.shim.guarded import guarded
from tests.kernels.shim.machine import Shim

from headrace_kernels.table import TABLE

Compute = Callable[..., Any]


@dataclass(frozen=True)
class Run:
    """An implementation, called with a kernel's name and what the kernel takes."""

    compute: Compute
    # How many levels an antialiased image's may be apart from the reference's.
    levels_apart: int = 0

    def __call__(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        return self.compute(name, *arguments, **keywords)


@dataclass(frozen=True)
class Implementation:
    name: str
    run: Run
    # Why it cannot run here; None where it can.
    missing: Callable[[], str | None] = lambda: None
    # The same code as another in another order of its threads: nothing new beside others' work.
    reordered: bool = False
    # What it has; None: all.
    kernels: frozenset[str] | None = None

    def has(self, kernel: str) -> bool:
        """Return whether ``kernel`` can be run."""
        return self.kernels is None or kernel in self.kernels


def each_array(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return ``value`` changed if it is an array, or a dataclass with its arrays changed."""
    if isinstance(value, np.ndarray):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            field.name: each_array(getattr(value, field.name), change) for field in fields(value)
        }
        return replace(value, **changed)
    return value


def _reference(name: str, *arguments: Any, **keywords: Any) -> Any:
    return TABLE[name].reference(*arguments, **keywords)


def on_shim(*, backwards: bool, front: bool) -> Compute:
    """Run the .cu files here, with nothing to read beyond inputs (or before them)."""

    def run(name: str, *arguments: Any, **keywords: Any) -> Any:
        laid = [each_array(one, lambda array: guarded(array, front=front)) for one in arguments]
        return TABLE[name].launcher(*laid, **keywords, machine=Shim(backwards=backwards))

    return run


def _device(name: str, *arguments: Any, **keywords: Any) -> Any:
    import cupy

    moved = [each_array(one, cupy.asarray) for one in arguments]
    kept = {key: each_array(one, cupy.asarray) for key, one in keywords.items()}
    result = TABLE[name].launcher(*moved, **kept)
    if isinstance(result, tuple):
        return tuple(cupy.asnumpy(part) for part in result)
    return cupy.asnumpy(result)


def _core(name: str, *arguments: Any, **keywords: Any) -> Any:
    return getattr(headrace_core, name)(*arguments, **keywords)


def no_device() -> str | None:
    """Return why no kernel can run on a device here, or None."""
    if find_spec("cupy") is None:
        return "CuPy is not installed (extra `cuda`)"
    return gpu.missing()


IMPLEMENTATIONS = (
    Implementation("reference", Run(_reference)),
    Implementation("shim", Run(on_shim(backwards=False, front=False))),
    Implementation(
        "shim, last thread first", Run(on_shim(backwards=True, front=True)), reordered=True
    ),
    Implementation("core", Run(_core, 2), kernels=frozenset({"preprocess_images"})),
    Implementation("device", Run(_device), no_device),
)
