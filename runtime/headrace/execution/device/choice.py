"""Which device a version computes on."""

import sys
from collections.abc import MutableMapping

from headrace.execution.device.host import Host
from headrace.execution.device.seam import Device


def choose(name: str, *, in_turn: bool) -> Device:
    """Return the device ``name``, as a version's context has it.

    Without PyTorch in the process nobody else has tensors on a GPU than who brings them there
    itself, as ONNX Runtime does.

    Args:
        name: ``"cpu"`` or ``"cuda:0"``.
        in_turn: the model is not safe for two batches at once.
    """
    if name == "cpu" or "torch" not in sys.modules:
        return Host()
    from headrace.execution.device.cuda import Cuda

    return Cuda(name, in_turn=in_turn)


def keep_to(name: str, share: float) -> None:
    """Keep PyTorch in this process to a share of a GPU: what is beyond it is out of memory.

    Its neighbours there would be else, and nobody could tell them why.

    Args:
        name: ``"cpu"`` or ``"cuda:0"``.
        share: up to 1.
    """
    torch = sys.modules.get("torch")
    if name != "cpu" and torch is not None and share < 1:
        torch.cuda.set_per_process_memory_fraction(share, name)


def number_as_the_driver_does(environment: MutableMapping[str, str]) -> None:
    """Have CUDA number GPUs by their place on the bus, as Ray and the driver's tools do.

    It would begin with the fastest one. Call it before CUDA is used.
    """
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
