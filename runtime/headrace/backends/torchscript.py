"""A TorchScript file as a Model. PyTorch is imported when one loads."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headrace.errors import ModelBroken
from headrace.models import Batch, Context, Model, Tensor

FILE: Final = "model.pt"
#: How Triton names what has no name of its own: the argument's number, or the result's.
NUMBERED: Final = re.compile(r".*__(\d+)")


class ScriptedProgram(Model):
    """Calls the program with the inputs of config.pbtxt in the order of its arguments."""

    outputs_are_new = True

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._program: Any = None
        self._arguments: Sequence[str] = ()
        self._results: Sequence[str] = ()

    def load(self, context: Context) -> None:
        """Read the program, and move it to the device. What PyTorch raises comes through."""
        import torch

        self._program = torch.jit.load(context.folder / FILE, map_location=context.device).eval()
        arguments = [one.name for one in self._program.forward.schema.arguments[1:]]
        self._arguments = in_order([one.name for one in self.inputs], arguments)
        self._results = in_order([one.name for one in self.outputs])

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Run the program over the whole batch.

        Raises:
            ModelBroken: it returns another number of tensors than there are outputs.
        """
        returned = self._program(*(batch.tensor(name) for name in self._arguments))
        if isinstance(returned, dict):
            return returned
        results = returned if isinstance(returned, tuple | list) else (returned,)
        if len(results) != len(self._results):
            raise ModelBroken(
                f"the program returns {len(results)} tensors, but config.pbtxt declares "
                f"{len(self._results)} outputs"
            )
        return dict(zip(self._results, results, strict=True))


def in_order(names: Sequence[str], arguments: Sequence[str] = ()) -> list[str]:
    """Return tensors' names as a program has them, by Triton's rules.

    Those that end in ``__0``, ``__1`` and so on go by these numbers; those that are the program's
    ``arguments`` by them; all others as they are written.
    """
    found = [NUMBERED.fullmatch(name) for name in names]
    numbers = [int(one[1]) for one in found if one]
    if sorted(numbers) == list(range(len(names))):
        return [name for _, name in sorted(zip(numbers, names, strict=True))]
    if sorted(names) == sorted(arguments):
        return list(arguments)
    return list(names)
