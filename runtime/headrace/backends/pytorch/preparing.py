"""A program's first runs, before there is a request: what they compile, no request waits for."""

from collections.abc import Callable, Sequence
from typing import Final

import torch

from headrace.backends.pytorch.forward import Forward, datatype
from headrace.config.torch import PyTorch
from headrace.errors import HeadraceError, ModelInvalid
from headrace.models import Tensor

#: What Inductor raises where it finds no compiler, as it stands in the text of what comes here.
NO_COMPILER: Final = "InvalidCxxCompiler"


def to_run(settings: PyTorch, inputs: Sequence[Tensor], rows: Sequence[int]) -> Sequence[int]:
    """Return the sizes of batches that are run before there is a request.

    None of a program that runs as it was written, which the warm-up does, and of one whose inputs
    have an axis of any size. All of one that is compiled: that its first axis is of any size is not
    enough, for PyTorch compiles anew where it would choose another kernel, such as from 16 rows on,
    and only a run tells.

    Args:
        settings: of model.yaml.
        inputs: of the program.
        rows: every size that a batch may have, rising.
    """
    if settings == PyTorch() or any(-1 in one.shape for one in inputs):
        return ()
    # The largest first, for which there may be no memory.
    return sorted(rows, reverse=True) if settings.compile else rows[:1]


def examples(
    program: torch.export.ExportedProgram, inputs: Sequence[Tensor], device: str
) -> Callable[[int], Sequence[torch.Tensor]]:
    """Return what makes inputs of so many rows, whose first axis is compiled as one of any size.

    Args:
        program: says whether its first axes are of any size.
        inputs: in the order of its arguments.
        device: that it runs on.
    """
    dynamic = _dynamic(program)

    def make(rows: int) -> Sequence[torch.Tensor]:
        given = [zeros(one, rows, device) for one in inputs]
        for one, is_dynamic in zip(given, dynamic, strict=True):
            # PyTorch always compiles a size of 1 by itself. "Maybe", since a size may be alone with
            # its kernel: 16 of a program exported for up to 16 rows. Then that is compiled for it.
            if is_dynamic and rows > 1:
                torch._dynamo.maybe_mark_dynamic(one, 0)
        return given

    return make


def prove(
    forward: Forward,
    example: Callable[[int], Sequence[torch.Tensor]],
    rows: Sequence[int],
    settings: PyTorch,
) -> None:
    """Run a batch of each of ``rows``, which also compiles what they need.

    Raises:
        ModelInvalid: the program cannot run or be compiled as model.yaml says.
    """
    # As lanes run it: what is compiled otherwise would be compiled again.
    with torch.inference_mode():
        for size in rows:
            try:
                forward(example(size))
            except HeadraceError:
                raise
            except Exception as error:
                raise ModelInvalid(_told(settings, size, error)) from error


def zeros(tensor: Tensor, rows: int, device: str) -> torch.Tensor:
    """Return ``[rows, *shape]`` zeros on ``device``."""
    return torch.zeros((rows, *tensor.shape), dtype=datatype(tensor), device=device)


def _dynamic(program: torch.export.ExportedProgram) -> list[bool]:
    """Return of each argument whether the program's first axis of it is of any size."""
    values = {
        node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"
    }
    names = program.graph_signature.user_inputs
    return [isinstance(values[name].shape[0], torch.SymInt) for name in names]


def _told(settings: PyTorch, size: int, error: Exception) -> str:
    written = ", ".join(f"{key}: {value}" for key, value in settings.model_dump().items() if value)
    text = f"a batch of {size} rows cannot run with torch: {{{written}}}: {error}"
    if NO_COMPILER in text:
        text = (
            "torch.compile needs a C++ compiler on this machine, and there is none: install g++, "
            f"name one in CXX, or take torch.compile out ({_first_line(error)})"
        )
    return text


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
