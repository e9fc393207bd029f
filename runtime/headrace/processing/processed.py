"""A model with steps before and behind it, as a Model."""

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.config.processing import After, Before
from headrace.errors import ModelBroken
from headrace.models import Batch, Context, Model, Tensor
from headrace.models.batch import beside
from headrace.processing.catalogue import step_of
from headrace.processing.flow import answered, asked
from headrace.processing.implementation import Choice, choose
from headrace.vocabulary import NUMPY_NAMES


def _as_declared(tensor: Tensor, array: Any) -> Any:
    """Return an output that a step reads. The core checks only those that no step reads.

    Raises:
        ModelBroken: it is no array, or of another datatype: as a number it might be read still.
    """
    dtype = getattr(array, "dtype", None)
    if getattr(dtype, "name", None) != NUMPY_NAMES[tensor.datatype]:
        found = type(array).__name__ if dtype is None else f"an array of {dtype}"
        raise ModelBroken(
            f"declared output {tensor.name!r} as {tensor.datatype}, but returned {found}"
        )
    return array


class Processed(Model):
    """Takes what callers send, and gives what callers get; the model sees what steps make."""

    def __init__(
        self,
        model: Model,
        before: Sequence[Before],
        after: Sequence[After],
        choose: Choice = choose,
    ) -> None:
        """Put steps around ``model``; ``choose`` says what computes them on its device.

        Raises:
            ModelInvalid: they do not fit it, or each other.
        """
        self._model = model
        self._before = [step_of(one) for one in before]
        self._after = [step_of(one) for one in after]
        self.inputs = asked(self._before, model.inputs)
        self.outputs = answered(self._after, model.outputs)
        self._read = {name for step in self._after for name in step.takes}
        self.concurrency = model.concurrency
        self._choose = choose

    def load(self, context: Context) -> None:
        """Load the model, and what steps need."""
        steps = (*self._before, *self._after)
        computing = any(step.uses_kernels for step in steps)
        self._kernels = self._choose(context.device if computing else "cpu")
        for step in steps:
            step.load(context, self._kernels)
        self._model.load(context)

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Run the steps and the model, one behind the other."""
        made: dict[str, Any] = {}
        for step in self._before:
            made |= step.run([batch[name] for name in step.takes], batch)
        returned = self._model.predict(beside(batch, made) if made else batch)
        if not self._after:
            return returned
        if not isinstance(returned, Mapping):
            kind = type(returned).__name__
            raise ModelBroken(f"predict() should return a dict of output name to array, not {kind}")
        return self._behind(dict(returned), batch)

    def _behind(self, outputs: dict[str, Any], batch: Batch) -> Mapping[str, Any]:
        declared = [one.name for one in self._model.outputs]
        if sorted(outputs) != sorted(declared):
            raise ModelBroken(f"declared outputs {declared}, but returned {list(outputs)}")
        for one in self._model.outputs:
            if one.name in self._read:
                outputs[one.name] = _as_declared(one, self._kernels.place(outputs[one.name]))
        for step in self._after:
            outputs |= step.run([outputs[name] for name in step.takes], batch)
        return {one.name: outputs[one.name] for one in self.outputs}

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Ask the model."""
        return self._model.is_out_of_memory(error)

    def example(self, rows: int) -> Mapping[str, Any] | None:
        """Return what steps ask for, and what the model gives for what they do not make."""
        given: dict[str, Any] = {}
        for step in self._before:
            given |= step.example(rows)
        rest = [one.name for one in self.inputs if one.name not in given]
        if not rest:
            return given or None
        own = self._model.example(rows)
        return given | {name: own[name] for name in rest} if own is not None else None
