"""A GPU that is none: streams on which nothing happens until it is told to, and graphs on them."""

import copy
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from headrace.models import Tensor

#: What lies where a capture has computed nothing yet.
GARBAGE = -1


class MadeUpGraph:
    """What was captured: a replay computes anew, into the same places."""

    def __init__(self, device: "MadeUpCuda", run: Callable[[], Mapping[str, Any]]) -> None:
        self._device = device
        self._run = run
        self.outputs = run()
        for one in self.outputs.values():
            one[...] = GARBAGE

    def replay(self) -> None:
        def compute() -> None:
            for name, value in self._run().items():
                self.outputs[name][...] = value

        self._device.enqueue(compute)


class MadeUpCuda:
    """Keeps work in the streams that it was enqueued on, until `settle` does it.

    Which stream may do its next piece is asked of ``settle``'s ``turns``; one that waits for an
    event stands still. Arrays are of any library.
    """

    def __init__(self, zeros: Callable[[Tensor, int], Any]) -> None:
        self.zeros = zeros
        self.stream = "of the loading thread"
        #: Rows of the first buffer that each capture saw.
        self.captured: list[int] = []
        self._streams: dict[str, deque[Callable[[], bool]]] = {}
        self._recorded = 0
        self._reached: set[int] = {0}

    def buffer(self, tensor: Tensor, rows: int) -> Any:
        return self.zeros(tensor, rows)

    def capture(self, run: Callable[[], Mapping[str, Any]]) -> MadeUpGraph:
        warm = run()
        self.captured.append(len(next(iter(warm.values()))))
        return MadeUpGraph(self, run)

    def acquire(self) -> None:
        awaited = self._recorded
        self._queue().append(lambda: awaited in self._reached)

    def release(self) -> None:
        self._recorded += 1
        reached = self._recorded
        self.enqueue(lambda: self._reached.add(reached))

    def copy_in(self, buffer: Any, given: Any) -> None:
        if buffer.shape != given.shape:
            raise ValueError(f"{tuple(given.shape)} does not fit into {tuple(buffer.shape)}")

        def copy_it() -> None:
            buffer[...] = given

        self.enqueue(copy_it)

    def copy_out(self, output: Any) -> Any:
        copied = copy.deepcopy(output)
        copied[...] = GARBAGE

        def copy_it() -> None:
            copied[...] = output

        self.enqueue(copy_it)
        return copied

    def enqueue(self, work: Callable[[], Any]) -> None:
        """Put work on the current stream."""

        def done() -> bool:
            work()
            return True

        self._queue().append(done)

    def settle(self, turns: Iterable[str] = ()) -> None:
        """Do all work: first as the streams' ``turns`` say, then whatever is left."""
        for stream in turns:
            self._advance([stream])
        while any(self._streams.values()):
            if not self._advance(list(self._streams)):
                raise RuntimeError("every stream waits for another one")

    def _advance(self, streams: Sequence[str]) -> bool:
        for stream in streams:
            work = self._streams.get(stream)
            if work and work[0]():
                work.popleft()
                return True
        return False

    def _queue(self) -> deque[Callable[[], bool]]:
        return self._streams.setdefault(self.stream, deque())


class PromptCuda(MadeUpCuda):
    """Does everything at once."""

    def enqueue(self, work: Callable[[], Any]) -> None:
        super().enqueue(work)
        self.settle()
