"""NumPy views as PyTorch tensors; imported when a model asks for one."""

import warnings
from typing import Any

import numpy as np
import torch


def _spend_the_warning() -> None:
    """Let PyTorch say now, and unheard, what it says once a process: arrays here are read-only.

    A filter around each conversion would cost every batch, and is not safe between threads.
    """
    array = np.zeros(1, np.float32)
    array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.from_numpy(array)


_spend_the_warning()


def view(name: str, array: Any, device: str) -> torch.Tensor:
    """Return ``array`` as a tensor on ``device``, sharing the memory of one that lies there.

    Raises:
        TypeError: ``array`` is not an array but the elements of a BYTES input.
    """
    if not isinstance(array, np.ndarray):
        if hasattr(array, "__dlpack__"):
            return _from_dlpack(array)
        raise TypeError(
            f"input {name!r} is of BYTES: PyTorch has no such type; "
            f"batch[{name!r}] holds its elements"
        )
    # PyTorch does not know ml_dtypes: the same bits go over as 16-bit integers.
    if array.dtype.name == "bfloat16":
        tensor = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(array)
    return tensor if device == "cpu" else tensor.to(device, non_blocking=True)


def _from_dlpack(array: Any) -> torch.Tensor:
    """Return what a step made on a GPU as a tensor there, without a copy."""
    if array.dtype.name == "bfloat16":
        return torch.from_dlpack(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_dlpack(array)


def to_device(tensor: torch.Tensor, device: str) -> tuple[torch.Tensor, str | None]:
    """Return ``tensor`` on ``device`` as other libraries can read it, and NumPy's name of its bits.

    The name is None where its own datatype says it; what lies there in C order is not copied.
    """
    there = tensor.detach().to(device).contiguous()
    if there.dtype == torch.bfloat16:
        return there.view(torch.int16), "bfloat16"
    return there, None


def to_host(output: torch.Tensor) -> Any:
    """Return a model's output as an array in the host's memory; on the CPU without a copy."""
    return as_array(output.detach().cpu().contiguous())


def as_array(tensor: torch.Tensor) -> Any:
    """Return a contiguous tensor of the host's memory as an array of the same memory."""
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()
