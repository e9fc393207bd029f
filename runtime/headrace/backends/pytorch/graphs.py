"""A program as CUDA graphs, one for each size of a batch: their launches cost the CPU nothing.

A replay reads and writes what lies where it was captured. So the rows of a batch are copied there,
and the outputs are copied out before another batch comes. What does so on a GPU is behind `Device`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from headrace.errors import ModelBroken
from headrace.models import Tensor


class Graph(Protocol):
    """What was captured."""

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Where each replay writes. Held, so that no later capture has them for its own."""

    def replay(self) -> None:
        """Compute again from what the inputs hold now. Returns at once, as all of this does."""


class Device(Protocol):
    """Where graphs are captured. Work goes to the calling thread's stream, and is done in order."""

    def buffer(self, tensor: Tensor, rows: int) -> Any:
        """Return ``[rows, *shape]`` zeros that stay where they are."""

    def capture(self, run: Callable[[], Mapping[str, Any]]) -> Graph:
        """Call ``run`` until it is warm, and once to capture it; all share what they compute in."""

    def acquire(self) -> None:
        """Let what comes next on this stream begin after the last `release`, on any stream."""

    def release(self) -> None:
        """Note where this stream is now."""

    def copy_in(self, buffer: Any, given: Any) -> None:
        """Copy a batch's input to where the replay reads it."""

    def copy_out(self, output: Any) -> Any:
        """Return a copy of what the replay wrote."""


class Captured:
    """Runs a batch of a size that was captured. Called by one thread at a time."""

    def __init__(
        self,
        forward: Callable[[Sequence[Any]], Mapping[str, Any]],
        inputs: Sequence[Tensor],
        rows: Sequence[int],
        device: Device,
    ) -> None:
        """Capture ``forward`` for each of ``rows``.

        Sizes read the first rows of the same inputs. The largest is captured first, and smaller
        ones compute in its memory. Graphs may share that in any order of replays, since none reads
        what another one left, and none begins before the last one's outputs are copied out.
        """
        self._device = device
        largest = max(rows)
        self._inputs = [device.buffer(one, largest) for one in inputs]
        self._graphs: dict[int, Graph] = {}
        for size in sorted(rows, reverse=True):
            given = [one[:size] for one in self._inputs]
            self._graphs[size] = device.capture(partial(forward, given))
        device.release()

    def __call__(self, given: Sequence[Any]) -> Mapping[str, Any]:
        """Return the outputs of a batch, which no later batch touches.

        Lanes have streams of their own, and the last batch may still run on another one. What is
        waited for is its copy of the outputs, and what waits is this stream on the device: neither
        a thread, nor the way of this batch to the device, which came before.

        Raises:
            ModelBroken: a batch of so many rows was not captured.
        """
        size = len(given[0])
        graph = self._graphs.get(size)
        if graph is None:
            raise ModelBroken(
                f"a batch of {size} rows came, and CUDA graphs were captured for "
                f"{sorted(self._graphs)} rows (batching.allowed_rows)"
            )
        self._device.acquire()
        try:
            for buffer, one in zip(self._inputs, given, strict=True):
                self._device.copy_in(buffer[:size], one)
            graph.replay()
            return {name: self._device.copy_out(one) for name, one in graph.outputs.items()}
        finally:
            # Where something raised, too: what was copied in until then may be on its way.
            self._device.release()
