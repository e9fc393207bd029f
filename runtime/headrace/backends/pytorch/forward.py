"""One run of an exported program, as model.yaml asks for it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from headrace.config.torch import PyTorch
from headrace.errors import ModelBroken, ModelInvalid
from headrace.models import Tensor
from headrace.vocabulary import NUMPY_NAMES

#: Tensors ``[rows, *shape]`` in the order of the inputs → outputs by name.
Forward = Callable[[Sequence[torch.Tensor]], Mapping[str, Any]]
#: Which autocast may have changed.
FLOATS = ("FP16", "BF16", "FP32", "FP64")


def forward(
    program: torch.export.ExportedProgram,
    settings: PyTorch,
    outputs: Sequence[Tensor],
    device: str,
) -> Forward:
    """Return what runs ``program`` on ``device``; what is compiled is so at its first calls.

    Args:
        program: as it was read.
        settings: of model.yaml.
        outputs: what the program's results are called, and their datatypes.
        device: ``"cpu"`` or ``"cuda:0"``.

    Raises:
        ModelInvalid: it has nothing that ``memory_format`` could be about.
    """
    module = program.module().to(device)
    arranged = _arranged(module, settings)
    # With fullgraph what cannot be compiled, or would be once too often, raises: PyTorch would run
    # it operation by operation, and nobody would know.
    run = (
        torch.compile(module, mode=settings.compile, fullgraph=True) if settings.compile else module
    )
    autocast = _autocast(settings, torch.device(device).type)
    floats = {one.name: datatype(one) for one in outputs if one.datatype in FLOATS}

    def call(given: Sequence[torch.Tensor]) -> Mapping[str, Any]:
        with autocast():
            returned = run(*arranged(given))
        results = _named(returned, outputs)
        if settings.autocast is None:
            return results
        return {name: _cast(value, floats.get(name)) for name, value in results.items()}

    return call


def datatype(tensor: Tensor) -> torch.dtype:
    """Return PyTorch's word for the datatype of an input or output; there is none for BYTES."""
    found: torch.dtype = getattr(torch, NUMPY_NAMES[tensor.datatype])
    return found


def _arranged(
    module: torch.nn.Module, settings: PyTorch
) -> Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]:
    """Lay the weights out, and return what does so with inputs."""
    if settings.memory_format is None:
        return lambda given: given
    layout = getattr(torch, settings.memory_format)
    weights = [*module.parameters(), *module.buffers()]
    if not any(one.ndim == 4 for one in weights):
        raise ModelInvalid(
            f"torch.memory_format is {settings.memory_format}, which is for weights of four axes, "
            "and the program has none: take it out"
        )
    module.to(memory_format=layout)
    return lambda given: [
        one.contiguous(memory_format=layout) if one.ndim == 4 else one for one in given
    ]


def _autocast(settings: PyTorch, device_type: str) -> Callable[[], AbstractContextManager[Any]]:
    if settings.autocast is None:
        return nullcontext
    dtype = getattr(torch, settings.autocast)
    return lambda: torch.autocast(device_type, dtype)


def _named(returned: Any, outputs: Sequence[Tensor]) -> Mapping[str, Any]:
    if isinstance(returned, Mapping):
        return returned
    results = returned if isinstance(returned, tuple | list) else (returned,)
    if len(results) != len(outputs):
        raise ModelBroken(
            f"the program returns {len(results)} tensors, but model.yaml declares "
            f"{len(outputs)} outputs"
        )
    return {one.name: result for one, result in zip(outputs, results, strict=True)}


def _cast(value: Any, declared: torch.dtype | None) -> Any:
    # Of a program that returns integers for a declared float the check of outputs tells.
    is_float = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.to(declared) if is_float and declared is not None else value
