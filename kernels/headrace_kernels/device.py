"""Kernels on a device, through CuPy: the one module that imports it."""

import ctypes
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from headrace_kernels import store
from headrace_kernels.launch import FLOATS, Kernel, Launch, View, contiguous


class Device:
    """CuPy's current device and stream."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy

    def use(self, number: int, stream: int | None) -> None:
        """Make a device and a stream (its pointer) CuPy's current ones in the calling thread.

        They stay: what is made on a stream is read on it too, by CuPy's own copies to the host and
        in DLPack's hand-over. None is the stream that CuPy has.
        """
        self._cupy.cuda.Device(number).use()
        if stream is not None:
            self._cupy.cuda.ExternalStream(stream, number).use()

    def place(self, array: Any, dtype: str | None = None) -> Any:
        """Return an array as CuPy's, in C order; one that lies here so already is not copied.

        What is no array comes back as it is. Bits of which its library has no name are ``dtype``.
        """
        if not isinstance(array, np.ndarray) and not hasattr(array, "__cuda_array_interface__"):
            return array
        placed = self._cupy.asarray(array, order="C")
        return placed if dtype is None else placed.view(_named(dtype))

    def join(self, arrays: Sequence[Any]) -> Any:
        """Return arrays that lie here one behind the other, flat."""
        placed = [self._cupy.asarray(array).reshape(-1) for array in arrays]
        return self._cupy.concatenate(placed)

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Any:
        return self._cupy.empty(shape, dtype)

    def view(self, array: Any, name: str) -> View:
        """Return what a kernel sees of ``array``, of any library that lives on this device."""
        described = getattr(array, "__cuda_array_interface__", None)
        if described is None:
            raise TypeError(f"{name} is {type(array).__name__}, not an array on a device")
        address, read_only = described["data"]
        shape = tuple(described["shape"])
        dtype = getattr(array, "dtype", None)
        if not isinstance(dtype, np.dtype):
            dtype = np.dtype(described["typestr"])
        if address:
            home = self._cupy.cuda.runtime.pointerGetAttributes(address).device
            here = self._cupy.cuda.runtime.getDevice()
            if home != here:
                raise ValueError(f"{name} is on device {home}, and the current device is {here}")
        dense = contiguous(shape, described.get("strides"), dtype.itemsize)
        return View(name, address, shape, dtype, dense, not read_only)

    def open_shared(self, handle: bytes, byte_size: int, number: int) -> "Shared":
        """Open memory of device ``number`` that another process shares (cudaIpcMemHandle_t).

        Raises:
            RuntimeError: CUDA does not open it, and why.
        """
        return Shared(self._cupy, handle, byte_size, number)

    def launch(self, launch: Launch) -> None:
        function = _function(launch.kernel, self._cupy.cuda.runtime.getDevice())
        addresses = (ctypes.c_void_p * len(launch.arguments))(
            *(argument.ctypes.data for argument in launch.arguments)
        )
        # The driver reads arguments before it returns, so they may end with this call.
        self._cupy.cuda.driver.launchKernel(
            function.ptr,
            *launch.grid,
            *launch.block,
            0,
            self._cupy.cuda.get_current_stream().ptr,
            ctypes.addressof(addresses),
            0,
        )


class Shared:
    """Another process's memory on a device. Its owner must not free it before it is closed."""

    def __init__(self, cupy: Any, handle: bytes, byte_size: int, number: int) -> None:
        self._cupy, self._number = cupy, number
        with cupy.cuda.Device(number):
            self._address = cupy.cuda.runtime.ipcOpenMemHandle(handle)
        try:
            room = _room(self._address)
            if byte_size > room:
                raise ValueError(f"it has {room} bytes, and {byte_size} were registered")
            memory = cupy.cuda.UnownedMemory(self._address, byte_size, self, number)
            #: Its bytes: CuPy's uint8 ``[byte_size]``.
            self.array: Any = cupy.ndarray(byte_size, np.uint8, cupy.cuda.MemoryPointer(memory, 0))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it; nothing may look at it any more."""
        self.array = None
        with self._cupy.cuda.Device(self._number):
            self._cupy.cuda.runtime.ipcCloseMemHandle(self._address)


def _room(address: int) -> int:
    """Return how many bytes of its allocation lie from an address of the current device on.

    Written against the driver's documentation (cuMemGetAddressRange), not run on a GPU yet.
    """
    from cuda.bindings import driver

    error, base, size = driver.cuMemGetAddressRange(address)
    if error != driver.CUresult.CUDA_SUCCESS:
        raise RuntimeError(f"its size cannot be asked for: {error.name}")
    return int(base) + int(size) - address


def _named(dtype: str) -> np.dtype[Any]:
    return FLOATS.get(dtype) or np.dtype(dtype)


@cache
def current() -> Device:
    """Return the machine that kernels run on unless a caller names another."""
    try:
        import cupy
    except ImportError as error:
        raise ImportError(f"a kernel needs CuPy, pip install 'headrace[cuda]': {error}") from error
    return Device(cupy)


@lru_cache(maxsize=256)
def _function(kernel: Kernel, device: int) -> Any:
    """Return ``kernel`` as loaded on ``device``: compiled or read from the disk, once a process."""
    import cupy

    architecture = int(cupy.cuda.Device(device).compute_capability)
    module = cupy.cuda.Module()
    module.load(store.binary(kernel, architecture))
    return module.get_function(kernel.entry)
