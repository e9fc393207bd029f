"""Inputs that lie on a GPU already, which ONNX Runtime reads where they are."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from headrace.models.imported import imported

#: What arrays there have, of CuPy and others.
INTERFACE: Final = "__cuda_array_interface__"


def bound(
    session: Any,
    feed: Mapping[str, Any],
    names: Sequence[str],
    options: Any,
    device: str = "cuda",
) -> list[Any]:
    """Run a graph over inputs of which some lie on the device; outputs are in the host's memory.

    Args:
        session: of ONNX Runtime.
        feed: input by its name.
        names: of the outputs.
        options: of the run.
        device: as ONNX Runtime calls it.
    """
    import numpy as np

    binding, kept = session.io_binding(), []
    for name, value in feed.items():
        if hasattr(value, INTERFACE):
            told = getattr(value, INTERFACE)
            if told.get("strides") is not None:
                # It does not lie row by row; its copy does, and lives as long as the run.
                kept.append(value.copy())
                told = getattr(kept[-1], INTERFACE)
            wait_for(told.get("stream"))
            address, _ = told["data"]
            shape = tuple(told["shape"])
            binding.bind_input(name, device, 0, np.dtype(told["typestr"]), shape, address)
        else:
            binding.bind_cpu_input(name, value)
    for name in names:
        binding.bind_output(name)
    session.run_with_iobinding(binding, options)
    results: list[Any] = binding.copy_outputs_to_cpu()
    return results


def wait_for(stream: int | None) -> None:
    """Wait for the stream that an array is made on: ONNX Runtime has its own, and waits for none.

    Args:
        stream: as CUDA knows it; None where there is nothing to be waited for.
    """
    cupy = imported("cupy")
    if stream is not None and cupy is not None:
        cupy.cuda.ExternalStream(stream).synchronize()
