"""Memory of a device that callers share: opened once a region, wherever a batch names it."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol


class RegionUnfit(ValueError):
    """A caller's region cannot be used here; its caller is told why."""


class Region(Protocol):
    """What a gateway knows of one."""

    @property
    def handle(self) -> bytes: ...
    @property
    def device(self) -> int: ...
    @property
    def byte_size(self) -> int: ...
    @property
    def opened(self) -> Any: ...
    def keep(self, opened: Any) -> None: ...


class Span(Protocol):
    """Where the rows of one request are, of one input or output."""

    @property
    def name(self) -> str: ...
    @property
    def is_output(self) -> bool: ...
    @property
    def row(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def repeated(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def byte_size(self) -> int: ...
    @property
    def region(self) -> Region: ...


@dataclass(frozen=True)
class Part:
    """Rows of a batch, in a region that is open."""

    #: The first one.
    row: int
    rows: int
    #: How often the last one follows once more.
    repeated: int
    #: In bytes, in the region.
    offset: int
    byte_size: int
    #: As the lane's device has it.
    memory: Any


class Opened(Protocol):
    """A region, open until nobody looks at it."""

    #: What lanes read and write.
    memory: Any

    def close(self) -> None:
        """Close it, once; on any thread."""


_opening: Final = threading.Lock()


def opened(region: Region, open_handle: Callable[[bytes, int], Opened]) -> Any:
    """Return the memory of a region, which ``open_handle`` opens the first time.

    Args:
        region: of the core, which closes it when no request, and no gateway, may name it any more.
        open_handle: handle and size in bytes → the region; what it raises comes through.
    """
    with _opening:
        known: Opened | None = region.opened
        if known is None:
            known = open_handle(region.handle, region.byte_size)
            region.keep(known)
    return known.memory


@cache
def is_first(device: int) -> bool:
    """Return whether a GPU, as the driver counts the node's, is the first one of this process."""
    from headrace_core import gpu_memory

    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    first = "0" if shown is None else shown.split(",")[0].strip()
    here, there = gpu_memory(first), gpu_memory(str(device))
    return here is not None and there is not None and here[0] == there[0]
