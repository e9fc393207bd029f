"""A model with steps before and behind it, as a Model."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from headrace.config.processing import After, Before
from headrace.errors import ModelBroken
from headrace.models import Batch, Context, Model, Tensor
from headrace.models.batch import beside
from headrace.models.model import overrides
from headrace.models.returned import named
from headrace.processing.catalogue import step_of
from headrace.processing.flow import answered, asked
from headrace.processing.implementation import Choice, choose
from headrace.processing.step import Step
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
    """Takes what callers send, and gives what callers get; the model sees what steps make.

    Steps run while the model has another batch, but for those behind it on its GPU: less comes
    back from there than the model returns.
    """

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
        #: Behind the model: those that its GPU computes before outputs are brought back.
        self._on_device: Sequence[Step] = ()
        self._on_host: Sequence[Step] = self._after
        self._read = {name for step in self._after for name in step.takes}
        self.concurrency = model.concurrency
        self.outputs_are_new = model.outputs_are_new
        self._choose = choose

    def load(self, context: Context) -> None:
        """Load the model, and what steps need."""
        steps = (*self._before, *self._after)
        computing = any(step.uses_kernels for step in steps)
        self._kernels = self._choose(context.device if computing else "cpu")
        for step in steps:
            step.load(context, self._kernels)
        self._model.load(context)
        if context.device != "cpu" and not overrides(self._model, "finish"):
            self._on_device = list(takewhile(lambda step: step.uses_kernels, self._after))
            self._on_host = self._after[len(self._on_device) :]
        #: Of all that is there behind the model.
        self._wanted = {one.name for one in self.outputs}
        self._wanted.update(name for step in self._on_host for name in step.takes)

    def prepare(self, batch: Batch) -> Mapping[str, Any]:
        """Run the steps before the model, and what it does before itself."""
        made: dict[str, Any] = {}
        for step in self._before:
            made |= step.run([batch[name] for name in step.takes], batch)
        if overrides(self._model, "prepare"):
            made |= self._model.prepare(beside(batch, made))
        return made

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Run the model, and on its GPU the steps behind it."""
        returned = self._model.predict(batch)
        if not self._on_device:
            return returned
        outputs = self._run(self._on_device, self._declared(returned), batch)
        return {name: value for name, value in outputs.items() if name in self._wanted}

    def finish(self, outputs: Mapping[str, Any], batch: Batch) -> Mapping[str, Any]:
        """Run what the model does behind itself, and the steps that are left."""
        if overrides(self._model, "finish"):
            outputs = self._model.finish(outputs, batch)
        if not self._after:
            return outputs
        made = dict(outputs) if self._on_device else self._declared(outputs)
        made = self._run(self._on_host, made, batch)
        return {one.name: made[one.name] for one in self.outputs}

    def _declared(self, returned: Any) -> dict[str, Any]:
        """Return the model's outputs, and those that steps read where these compute."""
        outputs = dict(named(returned, "predict() should return"))
        declared = [one.name for one in self._model.outputs]
        if sorted(outputs) != sorted(declared):
            raise ModelBroken(f"declared outputs {declared}, but returned {list(outputs)}")
        for one in self._model.outputs:
            if one.name in self._read:
                outputs[one.name] = _as_declared(one, self._kernels.place(outputs[one.name]))
        return outputs

    def _run(self, steps: Iterable[Step], outputs: dict[str, Any], batch: Batch) -> dict[str, Any]:
        for step in steps:
            taken = [outputs[name] for name in step.takes]
            if step.uses_kernels:
                taken = [self._kernels.place(one) for one in taken]
            outputs |= step.run(taken, batch)
        return outputs

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
