"""An exported PyTorch program (``net.pt2``) as a Model. PyTorch is imported when one loads."""

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.errors import ModelBroken
from headrace.models import Batch, Context, Model, Tensor

FILE = "net.pt2"


class ExportedProgram(Model):
    """Calls the program with the inputs in the order of model.yaml.

    The program returns a tensor, a sequence of tensors in the order of the outputs there, or a
    mapping from their names.
    """

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._program: Any = None

    def load(self, context: Context) -> None:
        """Read the program and move it to the device."""
        import torch

        program = torch.export.load(context.folder / FILE)
        self._program = program.module().to(context.device)

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Run the program over the whole batch."""
        returned = self._program(*(batch.tensor(one.name) for one in self.inputs))
        if isinstance(returned, Mapping):
            return returned
        results = returned if isinstance(returned, tuple | list) else (returned,)
        if len(results) != len(self.outputs):
            raise ModelBroken(
                f"the program returns {len(results)} tensors, but model.yaml declares "
                f"{len(self.outputs)} outputs"
            )
        return {one.name: result for one, result in zip(self.outputs, results, strict=True)}
