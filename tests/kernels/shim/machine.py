"""A machine that runs the shipped .cu files on the CPU."""

import ctypes
import hashlib
import os
import signal
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.kernels.shim.guarded import guarded

from headrace_kernels import sources
from headrace_kernels.launch import MAX_GRID_YZ, Kernel, Launch, View

HEADER = Path(__file__).with_name("cuda_on_cpu.h")
SHIM = Path(__file__).parents[3] / "target" / "shim"
BUILT = SHIM / "kernels"
# No fused multiply-add, as for the device; what is undefined traps, and the launch says so.
FLAGS = """
    -std=c++17 -O1 -g0 -fPIC -ffp-contract=off -fno-strict-aliasing -U_FORTIFY_SOURCE -w
    -fsanitize=undefined -fsanitize-undefined-trap-on-error
""".split()


class ShimError(Exception):
    """A kernel did what would be undefined on a device, or read outside of its buffers."""


class Shim:
    """Arrays are NumPy's; ``backwards`` runs the threads of a block from the last to the first."""

    def __init__(self, *, backwards: bool = False) -> None:
        self._backwards = backwards
        self.launches: list[Launch] = []

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Any:
        made = np.empty(shape, dtype)
        made.view(np.uint8).fill(0xA5)  # an element that is not written is seen
        return guarded(made, front=self._backwards)  # and one beyond the last is a fault

    def view(self, array: Any, name: str) -> View:
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} is {type(array).__name__}, not an array")
        return View(
            name,
            array.ctypes.data,
            array.shape,
            array.dtype,
            array.flags.c_contiguous,
            array.flags.writeable,
        )

    def launch(self, launch: Launch) -> None:
        self.launches.append(launch)
        assert launch.grid[0] < 1 << 31, launch
        assert max(launch.grid[1:]) <= MAX_GRID_YZ, launch
        addresses = (ctypes.c_void_p * len(launch.arguments))(
            *(argument.ctypes.data for argument in launch.arguments)
        )
        three = ctypes.c_uint * 3
        number = built(launch.kernel).launch(
            three(*launch.grid), three(*launch.block), self._backwards, addresses
        )
        if number < 0:
            raise ShimError(f"{launch.kernel.source}: threads wait for others that never come")
        if number:
            raise ShimError(f"{launch.kernel.source} ended with {signal.Signals(number).name}")


@cache
def _header() -> Path:
    """Return the shim's header, precompiled: most of what g++ would read for each kernel."""
    text = HEADER.read_text()
    folder = SHIM / _digest(text, *FLAGS)
    header, ready = folder / HEADER.name, folder / f"{HEADER.name}.gch"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        header.write_text(text)
        _compile(ready, "-x", "c++-header", header)
    return header


@cache
def built(kernel: Kernel) -> ctypes.CDLL:
    """Return ``kernel`` as a library; it stays on disk for the next run of the tests."""
    header = _header()
    text = f"{sources.text(kernel.source)}\nSHIM_ENTRY({kernel.entry})\n"
    defines = [f"-D{name}={value}" for name, value in kernel.defines]
    library = BUILT / f"{kernel.entry}-{_digest(str(header), text, *defines)}.so"
    if not library.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        source = library.with_suffix(".cpp")
        source.write_text(text)
        _compile(library, "-shared", "-include", header, *defines, source)
    return ctypes.CDLL(str(library))


def _compile(target: Path, *told: str | Path) -> None:
    # Of this process alone: two runs of the tests may compile the same.
    fresh = target.with_suffix(f".{os.getpid()}")
    subprocess.run(["g++", *FLAGS, *told, "-o", fresh], check=True)
    fresh.replace(target)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
