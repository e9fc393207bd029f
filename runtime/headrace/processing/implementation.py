"""Where steps compute: with the references on the CPU, with the kernels on a GPU."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from headrace.errors import ModelInvalid
from headrace.models.host import on_host
from headrace.models.imported import imported
from headrace_kernels.launch import Machine
from headrace_kernels.table import TABLE


class Implementation(Protocol):
    """Computes kernels by their names, on arrays that lie where it computes."""

    def place(self, value: Any) -> Any:
        """Return an array of any library where this computes; what lies there is not copied.

        What is no array comes back as it is: who reads it says what it should have been.
        """

    def join(self, arrays: Sequence[Any]) -> Any:
        """Return the bytes of arrays uint8, one behind the other, where this computes."""

    def run(self, kernel: str, *arguments: Any) -> Any:
        """Return what ``kernel`` makes of its arguments, whose arrays were placed."""


#: Device → what computes there; raises ModelInvalid where nothing can.
Choice = Callable[[str], Implementation]


class Accelerator(Machine, Protocol):
    """A machine that is one of several, and has streams and memory of its own."""

    def use(self, number: int, stream: int | None) -> None: ...

    def place(self, array: Any, dtype: str | None = None) -> Any: ...

    def join(self, arrays: Sequence[Any]) -> Any: ...


class References:
    """NumPy, in the host's memory."""

    def place(self, value: Any) -> Any:
        return on_host(value)

    def join(self, arrays: Sequence[Any]) -> Any:
        return np.concatenate([np.asarray(one).reshape(-1) for one in arrays])

    def run(self, kernel: str, *arguments: Any) -> Any:
        return TABLE[kernel].reference(*arguments)


class Launchers:
    """Kernels on a GPU, on the stream that PyTorch uses in the calling thread.

    Nothing waits: what is made is ready for whoever reads it on that stream.
    """

    def __init__(self, machine: Accelerator, device: str) -> None:
        self._machine = machine
        self._device = device
        self._number = int(device.partition(":")[2] or 0)

    def place(self, value: Any) -> Any:
        self._use()
        torch = imported("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            from headrace.models.torch_tensor import to_device

            return self._machine.place(*to_device(value, self._device))
        return self._machine.place(value)

    def join(self, arrays: Sequence[Any]) -> Any:
        self._use()
        return self._machine.join(arrays)

    def run(self, kernel: str, *arguments: Any) -> Any:
        self._use()
        return TABLE[kernel].launcher(*arguments, machine=self._machine)

    def _use(self) -> None:
        torch = imported("torch")
        known = torch is not None and torch.cuda.is_available()
        stream = torch.cuda.current_stream(self._number).cuda_stream if torch and known else None
        self._machine.use(self._number, stream)


def choose(device: str) -> Implementation:
    """Return what computes on ``device``: ``"cpu"``, or ``"cuda:0"``.

    Raises:
        ModelInvalid: CuPy, which launches kernels, is not installed.
    """
    if device == "cpu":
        return References()
    from headrace_kernels.device import current

    try:
        return Launchers(current(), device)
    except ImportError as error:
        raise ModelInvalid(f"steps on {device} are kernels: {error}") from error
