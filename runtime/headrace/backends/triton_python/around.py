"""What every Model around a `TritonPythonModel` has."""

from collections.abc import Sequence

from headrace.backends.triton_python.instance import Instance
from headrace.backends.triton_python.request import Told
from headrace.models import Context, Model
from headrace.models import Tensor as Declared


class Around(Model):
    """Has an object of the class, from `initialize` to `finalize`."""

    def __init__(
        self,
        instance: Instance,
        inputs: Sequence[Declared],
        outputs: Sequence[Declared],
        *,
        has_rows: bool,
    ) -> None:
        """``has_rows``: tensors have an axis of rows for callers, and so for the class."""
        self.inputs = inputs
        self.outputs = outputs
        self._instance = instance
        self._has_rows = has_rows
        self._told = Told("", 0, ())

    def load(self, context: Context) -> None:
        """Call `initialize`; what it raises comes through."""
        self._told = Told(context.model, context.version, [one.name for one in self.outputs])
        self._instance.initialize(context)
        self._instance.finalize_with(self)
