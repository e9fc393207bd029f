"""Which device a version computes on."""

import sys

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
