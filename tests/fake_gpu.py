"""A GPU that is a program: streams that work by themselves, events, and memory of its own.

As with a real one, what is begun is done later, in order within a stream and in no order between
two; arrays come there by copies of what the host's memory holds *then*; and once a kernel has
failed nothing works any more. Copies take a while and destinations hold rubbish before, so that
whoever reads or overwrites too early gets wrong numbers.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headrace.errors import DeviceLost
from headrace.execution.device.regions import Part, Region, RegionUnfit, opened

#: What memory holds before it is written to.
RUBBISH: Final = 0xEE
#: Of a copy, in seconds: long enough for whoever does not wait.
COPY_S: Final = 0.002

_current = threading.local()


class There:
    """An array in the GPU's memory."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.memory = rubbish(shape, dtype)


def rubbish(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    array: NDArray[Any] = np.empty(shape, dtype)
    array.view(np.uint8).fill(RUBBISH)
    return array


class Stream:
    """Does one thing after the other, on a thread of its own."""

    def __init__(self, gpu: "FakeGpu") -> None:
        self._gpu = gpu
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self, work: Callable[[], None]) -> None:
        self._work.put(work)

    def record(self) -> threading.Event:
        done = threading.Event()
        self._work.put(done.set)
        return done

    def end(self) -> None:
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                # An event is reached all the same: who waits for it hears of the error.
                if self._gpu.fault is None or getattr(work, "__name__", "") == "set":
                    work()
            except Exception as error:
                self._gpu.fault = error


class Mapped:
    """Another process's memory, as it is open here."""

    def __init__(self, gpu: "FakeGpu", handle: bytes) -> None:
        self._gpu, self._handle = gpu, handle
        self.memory = self
        self._is_open = True

    def rows(self, part: Part, dtype: Any, shape: Sequence[int]) -> NDArray[Any]:
        """Rows that are there, to read or to write."""
        if not self._is_open:
            raise RuntimeError("an illegal memory access was encountered: the region is closed")
        size = prod(shape) * np.dtype(dtype).itemsize
        place = self._gpu.exported[self._handle][part.offset : part.offset + size]
        rows: NDArray[Any] = place.view(dtype).reshape(shape)
        return rows

    def close(self) -> None:
        assert self._is_open, "it is closed once"
        self._is_open = False
        self._gpu.open_handles.remove(self._handle)


class FakeLane:
    """A stream, as lanes see it."""

    is_apart = True

    def __init__(self, gpu: "FakeGpu") -> None:
        self._gpu = gpu
        self.turn: AbstractContextManager[object] = gpu.turn if gpu.in_turn else nullcontext()
        self.stream = Stream(gpu)
        gpu.streams.append(self.stream)

    @contextmanager
    def using(self) -> Iterator[None]:
        _current.stream = self.stream
        try:
            yield
        finally:
            _current.stream = None

    def upload(self, name: str, array: Any) -> There:
        there = There(array.shape, array.dtype)

        def copy() -> None:
            self._gpu.copies("upload")
            np.copyto(there.memory, array)

        self.stream.begin(copy)
        return there

    def follow(self) -> None:
        before = self._gpu.computed
        if self._gpu.in_turn and before is not None:
            self.stream.begin(lambda: (before.wait(), None)[1])

    def lead(self) -> None:
        self._gpu.computed = self.stream.record()

    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._fetch(one) for name, one in outputs.items()}

    def _fetch(self, there: Any) -> Any:
        if not isinstance(there, There):
            return there
        array = rubbish(there.shape, there.dtype)

        def copy() -> None:
            self._gpu.copies("fetch")
            np.copyto(array, there.memory)

        self.stream.begin(copy)
        return array

    def open(self, region: Region) -> "Mapped":
        if region.device != 0:
            raise RegionUnfit(f"it is on device {region.device}, and this version on another one")
        return opened(region, self._gpu.map)  # type: ignore[no-any-return]

    def gather(self, name: str, array: Any, parts: Sequence[Part]) -> There:
        if parts[0].rows == len(array):
            there = There((0,), array.dtype)
            there.shape = array.shape
            there.memory = parts[0].memory.rows(parts[0], array.dtype, array.shape)
            return there
        if sum(part.rows + part.repeated for part in parts) == len(array):
            there = There(array.shape, array.dtype)
        else:
            there = self.upload(name, array)

        def copy(part: Part) -> None:
            self._gpu.copies("gather")
            end = part.row + part.rows
            shape = (part.rows, *array.shape[1:])
            there.memory[part.row : end] = part.memory.rows(part, array.dtype, shape)
            there.memory[end : end + part.repeated] = there.memory[end - 1 : end]

        for part in parts:
            self.stream.begin(partial(copy, part))
        return there

    def write(self, value: Any, part: Part) -> int | None:
        rows = getattr(value, "memory", value)[part.row : part.row + part.rows]
        if rows.nbytes > part.byte_size:
            return int(rows.nbytes)

        def copy() -> None:
            self._gpu.copies("write")
            np.copyto(part.memory.rows(part, rows.dtype, rows.shape), rows)

        self.stream.begin(copy)
        return None

    def blank(self, value: Any) -> NDArray[Any]:
        return np.zeros(value.shape, value.dtype)

    def wait(self) -> None:
        self.stream.record().wait()
        if self._gpu.fault is not None:
            raise DeviceLost(f"{self._gpu.name} is lost to this process: {self._gpu.fault}")


class FakeGpu:
    """One of them; also a `Device`."""

    name = "cuda:0"
    is_apart = True

    def __init__(self, *, in_turn: bool = True) -> None:
        self.in_turn = in_turn
        self.streams: list[Stream] = []
        self.turn = threading.Lock()
        self.computed: threading.Event | None = None
        self.fault: Exception | None = None
        #: Batches that it computes at this moment, and the most there were.
        self.computing = 0
        self.most_computing = 0
        self.lent: list[int] = []
        #: Other processes' memory here, by its handle: bytes that they read and write.
        self.exported: dict[bytes, NDArray[np.uint8]] = {}
        self.open_handles: list[bytes] = []
        #: Called with "upload" and "fetch" before the copy of each array, which it may hold up.
        self.copies: Callable[[str], object] = lambda what: threading.Event().wait(COPY_S)
        self._lock = threading.Lock()

    def lane(self) -> FakeLane:
        return FakeLane(self)

    def export(self, handle: bytes, size: int) -> NDArray[np.uint8]:
        """Share memory of another process."""
        self.exported[handle] = rubbish((size,), np.uint8)
        return self.exported[handle]

    def map(self, handle: bytes, byte_size: int) -> Mapped:
        """Open it here."""
        if handle not in self.exported or len(self.exported[handle]) < byte_size:
            raise RegionUnfit("its handle does not open: invalid device context")
        self.open_handles.append(handle)
        return Mapped(self, handle)

    def lend(self, count: int) -> NDArray[np.uint8]:
        self.lent.append(count)
        return np.full(count, RUBBISH, np.uint8)

    def launch(self, kernel: Callable[..., Any], *given: There, out: There) -> There:
        """Have the current stream compute; returns at once, as a launch does."""

        def run() -> None:
            with self._lock:
                self.computing += 1
                self.most_computing = max(self.most_computing, self.computing)
            try:
                np.copyto(out.memory, kernel(*(one.memory for one in given)))
            finally:
                with self._lock:
                    self.computing -= 1

        _current.stream.begin(run)
        return out

    def end(self) -> None:
        for stream in self.streams:
            stream.end()
