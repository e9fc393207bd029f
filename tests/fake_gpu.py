"""A GPU that is a program: streams that work by themselves, events, and memory of its own.

As with a real one, what is begun is done later, in order within a stream and in no order between
two; arrays come there by copies of what the host's memory holds *then*; and once a kernel has
failed nothing works any more. Copies take a while and destinations hold rubbish before, so that
whoever reads or overwrites too early gets wrong numbers.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headrace.errors import DeviceLost

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
                if self._gpu.fault is None or work.__name__ == "set":
                    work()
            except Exception as error:
                self._gpu.fault = error


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
        #: Called with "upload" and "fetch" before the copy of each array, which it may hold up.
        self.copies: Callable[[str], object] = lambda what: threading.Event().wait(COPY_S)
        self._lock = threading.Lock()

    def lane(self) -> FakeLane:
        return FakeLane(self)

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
