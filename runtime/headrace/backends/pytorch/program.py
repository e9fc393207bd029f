"""An exported PyTorch program as a Model. PyTorch is imported when one loads."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from headrace.config.torch import PyTorch
from headrace.models import Batch, Context, Model, Tensor

if TYPE_CHECKING:
    from headrace.backends.pytorch.forward import Forward
    from headrace.backends.pytorch.graphs import Device

FILE: Final = "net.pt2"


def cuda(device: str) -> "Device":
    """Return the GPU that graphs are captured on."""
    from headrace.backends.pytorch.cuda import Cuda

    return Cuda(device)


class ExportedProgram(Model):
    """Calls the program with the inputs in the order of model.yaml.

    The program returns a tensor, a sequence of tensors in the order of the outputs there, or a
    mapping from their names.
    """

    outputs_are_new = True

    def __init__(
        self,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        settings: PyTorch,
        rows: Sequence[int],
        captures_on: Callable[[str], "Device"] = cuda,
    ) -> None:
        """Read nothing yet.

        Args:
            inputs: in the order of the program's arguments.
            outputs: in the order of its results.
            settings: of model.yaml.
            rows: every size that a batch may have.
            captures_on: of a device's name, what captures CUDA graphs there.
        """
        self.inputs = inputs
        self.outputs = outputs
        self._settings = settings
        self._rows = rows
        self._captures_on = captures_on
        #: What runs a batch, once it is loaded: tensors in the order of the inputs → outputs.
        self.forward: Forward

    def load(self, context: Context) -> None:
        """Read the program, move it to the device, and make it as fast as it was asked for.

        Raises:
            ModelInvalid: it cannot run, be compiled or be captured as model.yaml says.
        """
        import torch

        from headrace.backends.pytorch.fitting import check
        from headrace.backends.pytorch.forward import forward
        from headrace.backends.pytorch.graphs import Captured
        from headrace.backends.pytorch.preparing import examples, prove, to_run

        program = torch.export.load(context.folder / FILE)
        check(program, self.inputs, self._rows)
        settings, device = self._settings, context.device
        self.forward = run = forward(program, settings, self.outputs, device)
        rows = to_run(settings, self.inputs, self._rows)
        prove(run, examples(program, self.inputs, device), rows, settings)
        if settings.cuda_graphs:
            with torch.inference_mode():
                self.forward = Captured(run, self.inputs, self._rows, self._captures_on(device))
        if settings.prepares:
            told = " and ".join(settings.prepares)
            context.log.info("%s: batches of %s rows are ready", told, list(self._rows))

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Run the program over the whole batch."""
        return self.forward([batch.tensor(one.name) for one in self.inputs])
