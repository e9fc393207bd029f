"""CUDA graphs of PyTorch on a GPU."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from headrace.backends.pytorch.preparing import zeros
from headrace.models import Tensor

#: Libraries choose kernels and take workspaces in their first runs; PyTorch's own count.
WARM_UP_RUNS: Final = 3


class Cuda:
    """A GPU. All captures are on one stream and share one pool of memory."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._stream = torch.cuda.Stream(self._device)
        self._pool = torch.cuda.graph_pool_handle()
        self._free = torch.cuda.Event()

    def buffer(self, tensor: Tensor, rows: int) -> torch.Tensor:
        """Return ``[rows, *shape]`` zeros, outside of the pool."""
        return zeros(tensor, rows, str(self._device))

    def capture(self, run: Callable[[], Mapping[str, Any]]) -> "CudaGraph":
        """Warm up and capture on the stream for that, before which the caller's is waited for."""
        caller = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(caller)
        # On the same stream as the capture: cuBLAS has a workspace for each, which is taken now.
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UP_RUNS):
                run()
        graph = torch.cuda.CUDAGraph()
        # What other threads of this process do on the GPU meanwhile is no error of this capture.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            outputs = run()
        caller.wait_stream(self._stream)
        return CudaGraph(graph, outputs)

    def acquire(self) -> None:
        """Let the current stream wait for the event; one that was never recorded keeps nobody."""
        torch.cuda.current_stream(self._device).wait_event(self._free)

    def release(self) -> None:
        """Record the event on the current stream."""
        self._free.record(torch.cuda.current_stream(self._device))

    def copy_in(self, buffer: torch.Tensor, given: torch.Tensor) -> None:
        """Copy on the current stream."""
        buffer.copy_(given, non_blocking=True)

    def copy_out(self, output: torch.Tensor) -> torch.Tensor:
        """Return memory of the current stream, so that its later uses there are in order."""
        return output.clone()


class CudaGraph:
    """One size of a batch."""

    def __init__(self, graph: torch.cuda.CUDAGraph, outputs: Mapping[str, torch.Tensor]) -> None:
        self._graph = graph
        self.outputs = outputs

    def replay(self) -> None:
        """Launch on the current stream."""
        self._graph.replay()
