"""A GPU, by PyTorch: a stream for each lane, and pinned memory."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch

from headrace.errors import DeviceLost
from headrace.execution.device import region_tensors
from headrace.execution.device.regions import Part, Region, RegionUnfit, is_first, opened
from headrace.models.host import on_host
from headrace.models.torch_tensor import as_array, view


class _Turn:
    """Of a GPU that does one batch after the other, whichever version's they are."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        #: Behind the last batch.
        self.computed = torch.cuda.Event()


#: Of each GPU of this process.
_turns: dict[str, _Turn] = {}


class CudaLane:
    """A stream. Its memory comes from PyTorch's allocator, which gives it out stream by stream."""

    is_apart = True

    def __init__(self, device: torch.device, turn: _Turn | None) -> None:
        self._device = device
        self.turn: AbstractContextManager[object] = nullcontext() if turn is None else turn.lock
        self._computed = None if turn is None else turn.computed
        # What was loaded lies where the loading thread's stream put it.
        self._stream = torch.cuda.Stream(device)
        self._stream.wait_stream(torch.cuda.current_stream(device))
        # Whoever waits sleeps: a thread that spins has a core that decodes could have.
        self._done = torch.cuda.Event(blocking=True)

    def using(self) -> AbstractContextManager[object]:
        stream: AbstractContextManager[object] = torch.cuda.stream(self._stream)
        return stream

    def upload(self, name: str, array: Any) -> torch.Tensor:
        return view(name, array, str(self._device))

    def follow(self) -> None:
        # Of an event that was never recorded nobody waits.
        if self._computed is not None:
            self._stream.wait_event(self._computed)

    def lead(self) -> None:
        if self._computed is not None:
            self._computed.record(self._stream)

    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._begin_fetch(value) for name, value in outputs.items()}

    def open(self, region: Region) -> Any:
        if not is_first(region.device):
            raise RegionUnfit(f"it is on device {region.device}, and this version on another one")
        return opened(region, partial(open_handle, self._device.index))

    def gather(self, name: str, array: Any, parts: Sequence[Part]) -> torch.Tensor:
        return region_tensors.gather(name, array, parts, str(self._device))

    def write(self, value: Any, part: Part) -> int | None:
        return region_tensors.write(value, part)

    def blank(self, value: Any) -> Any:
        return region_tensors.blank(value)

    def wait(self) -> None:
        try:
            self._done.record(self._stream)
            self._done.synchronize()
        except RuntimeError as error:
            # A kernel that failed is told of here, and by every call from now on.
            raise DeviceLost(f"{self._device} is lost to this process: {error}") from error

    def _begin_fetch(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            if not hasattr(value, "__cuda_array_interface__"):
                return on_host(value)
            # DLPack makes this stream wait for the one that the array was made on.
            value = torch.from_dlpack(value)
        # A copy that does not block gets pinned memory, of blocks that PyTorch keeps and uses anew.
        return as_array(value.detach().contiguous().to("cpu", non_blocking=True))


class _Mapped:
    """A region, as PyTorch has it."""

    def __init__(self, shared: Any) -> None:
        self._shared = shared
        self.memory: Any = torch.from_dlpack(shared.array)

    def close(self) -> None:
        self.memory = None
        self._shared.close()


def open_handle(device: int, handle: bytes, byte_size: int) -> _Mapped:
    """Open what another process shares of a device.

    Raises:
        RegionUnfit: CUDA does not open it, or CuPy is not installed.
    """
    # Brings CuPy.
    from headrace_kernels.device import current

    try:
        return _Mapped(current().open_shared(handle, byte_size, device))
    except Exception as error:  # of CuPy's, many kinds: none of them is another caller's matter
        raise RegionUnfit(f"its handle does not open: {error}") from error


class Cuda:
    """One GPU of this process. Written against PyTorch's documentation, not run on one yet."""

    is_apart = True

    def __init__(self, device: str, *, in_turn: bool) -> None:
        """Take the GPU.

        Args:
            device: ``"cuda:0"``.
            in_turn: it does one batch after the other, for a model that is not safe for more. So
                do all versions of this process that ask for that: a batch has the whole GPU, and
                takes as long as it took when it was measured.
        """
        self.name = device
        self._device = torch.device(device)
        self._turn = _turns.setdefault(device, _Turn()) if in_turn else None

    def lane(self) -> CudaLane:
        return CudaLane(self._device, self._turn)

    def lend(self, count: int) -> Any:
        return torch.empty(count, dtype=torch.uint8, pin_memory=True).numpy()
