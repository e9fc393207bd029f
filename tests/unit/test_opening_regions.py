"""Handles of other processes' memory, opened by CuPy's calls: a stand-in has NumPy's memory."""

import sys
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import headrace_core  # noqa: E402

from headrace.execution.device import cuda, regions  # noqa: E402
from headrace.execution.device.regions import RegionUnfit, is_first, opened  # noqa: E402
from headrace_kernels import device  # noqa: E402

HANDLE = bytes(range(64))


class Cupy:
    """What is used of it, by its documentation."""

    def __init__(self) -> None:
        self.memory = np.arange(16, dtype=np.uint8)
        self.said: list[Any] = []
        self.cuda = SimpleNamespace(
            Device=self.device,
            runtime=self,
            UnownedMemory=lambda pointer, size, owner, device_id: (pointer, size, device_id),
            MemoryPointer=lambda memory, offset: (*memory, offset),
        )

    def device(self, number: int) -> AbstractContextManager[None]:
        @contextmanager
        def using() -> Any:
            self.said.append(("use", number))
            yield

        return using()

    def ipcOpenMemHandle(self, handle: bytes) -> int:
        if handle != HANDLE:
            raise RuntimeError("cudaErrorInvalidValue: invalid argument")
        self.said.append("open")
        return 4096

    def ipcCloseMemHandle(self, pointer: int) -> None:
        self.said.append(("close", pointer))

    def ndarray(self, shape: int, dtype: Any, memptr: tuple[int, int, int, int]) -> Any:
        assert (dtype, memptr) == (np.uint8, (4096, shape, 1, 0))
        return self.memory[:shape]


class Region:
    """As the core has it."""

    def __init__(self, handle: bytes) -> None:
        self.handle, self.device, self.byte_size = handle, 1, 8
        self.opened: Any = None

    def keep(self, opened: Any) -> None:
        assert self.opened is None
        self.opened = opened


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Cupy:
    cupy = Cupy()
    monkeypatch.setattr(device, "current", lambda: device.Device(cupy))
    monkeypatch.setattr(device, "_room", lambda address: cupy.memory.size)
    return cupy


def test_a_region_is_opened_once_and_is_the_owners_memory_until_it_is_closed(cupy: Cupy) -> None:
    region = Region(HANDLE)

    def memory() -> Any:
        return opened(region, lambda handle, size: cuda.open_handle(1, handle, size))

    there = memory()
    assert memory() is there
    assert there.tolist() == list(range(8))
    there[0] = 77
    assert cupy.memory[0] == 77, "no copy"
    assert cupy.said == [("use", 1), "open"]
    region.opened.close()
    assert cupy.said[2:] == [("use", 1), ("close", 4096)]
    assert region.opened.memory is None


def test_a_handle_that_does_not_open_is_told_and_not_kept(cupy: Cupy) -> None:
    region = Region(bytes(64))
    with pytest.raises(RegionUnfit, match=r"does not open: cudaErrorInvalidValue"):
        opened(region, lambda handle, size: cuda.open_handle(1, handle, size))
    assert region.opened is None


def test_more_than_the_owner_shares_is_refused_and_closed(cupy: Cupy) -> None:
    with pytest.raises(RegionUnfit, match="it has 16 bytes, and 17 were registered"):
        cuda.open_handle(1, HANDLE, 17)
    assert cupy.said[-1] == ("close", 4096)


def test_without_cupy_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    device.current.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RegionUnfit, match=r"pip install 'headrace\[cuda\]'"):
        cuda.open_handle(0, HANDLE, 8)
    device.current.cache_clear()


@pytest.mark.parametrize(
    ("shown", "first"),
    [(None, 0), ("0", 0), ("2,0", 2), ("GPU-2", 2), ("MIG-7", None), ("", None)],
)
def test_a_device_is_the_one_that_the_driver_counts_so(
    monkeypatch: pytest.MonkeyPatch, shown: str | None, first: int | None
) -> None:
    """As the node's GPUs are numbered, not as one process sees them."""
    known = {str(at): (f"GPU-{at}", 1, 1) for at in range(3)}
    known |= {f"GPU-{at}": (f"GPU-{at}", 1, 1) for at in range(3)}
    known["MIG-7"] = ("MIG-7", 1, 1)
    monkeypatch.setattr(headrace_core, "gpu_memory", known.get)
    if shown is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    regions.is_first.cache_clear()
    assert [at for at in range(4) if is_first(at)] == ([] if first is None else [first])
    regions.is_first.cache_clear()
