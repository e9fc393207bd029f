"""The way of a batch through a model: prepared, computed, brought back and finished."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol

from headrace.execution import forking
from headrace.execution.device.placing import NOWHERE, Out, PlacedRows, Placing
from headrace.execution.device.seam import Device, Lane
from headrace.models import Batch, Model
from headrace.models.batch import asked, beside, bring
from headrace.models.model import overrides
from headrace.models.returned import named


class Gate(Protocol):
    """The way into a model, which may have another lane's batch."""

    def enter(self) -> bool:
        """Block until the model is free; False when it will not be: it hangs in another one."""

    def launched(self) -> None:
        """Let the next one in: all that the device has to do for this one is before it."""

    def leave(self) -> None:
        """Say that the model and its device are done with this one."""


class Open:
    """A gate for who is in the model alone, or was let in as he got his batch."""

    def enter(self) -> bool:
        """Always."""
        return True

    def launched(self) -> None:
        """Nobody waits."""

    def leave(self) -> None:
        """Nobody waits."""


OPEN: Final = Open()


def prepares(model: Model, device: Device, lanes: int) -> bool:
    """Return whether lanes are to have their batches before the model is free for them.

    There is something to do with them then, and there are lanes that would wait meanwhile.
    """
    has_work = device.is_apart or overrides(model, "prepare") or overrides(model, "finish")
    return has_work and lanes > model.concurrency


class Passage:
    """How one lane brings batches through a model."""

    def __init__(self, label: str, model: Model, lane: Lane) -> None:
        self.model = model
        self._label = label
        self._lane = lane
        self._is_apart = lane.is_apart
        self._prepares = overrides(model, "prepare")
        self._finishes = overrides(model, "finish")
        #: Inputs that the model wanted on its device the last time: they are there before it asks.
        self._asked: Collection[str] = ()

    def run(self, rows: PlacedRows, gate: Gate) -> Mapping[str, Any] | None:
        """Return the outputs in the host's memory; None when the gate stays shut.

        What the model raises comes through, when the device reads nothing of the rows any more.

        Raises:
            ModelBroken: it returned no mapping.
            DeviceLost: the device does nothing any more for this process.
        """
        try:
            placing = Placing(rows, self._lane)
            batch = Batch(rows, self._lane.upload, there=placing.inputs())
            if self._prepares:
                made = into_model(self._label, self.model.prepare, batch)
                batch = beside(batch, named(made, "prepare() should return", "input"))
            # What the model returns goes to callers unless there is a stage after it.
            out = NOWHERE if self._finishes else placing
            if self._is_apart:
                outputs = self._predict(batch, gate, out)
            else:
                outputs = self._in_turn(batch, gate)
            if outputs is None or not self._finishes:
                return outputs
            gate.leave()
            finished = into_model(self._label, self.model.finish, outputs, batch)
            return self._fetched(named(finished, "finish() should return"), placing)
        except BaseException:
            self._lane.wait()
            raise

    def _in_turn(self, batch: Batch, gate: Gate) -> Mapping[str, Any] | None:
        """Compute in this thread: there is nothing to be brought."""
        if not gate.enter():
            return None
        returned = into_model(self._label, self.model.predict, batch)
        return self._lane.fetch(named(returned, "predict() should return"))

    def _predict(self, batch: Batch, gate: Gate, out: Out) -> Mapping[str, Any] | None:
        """Compute on a device that goes on by itself, and has other lanes' batches, too."""
        bring(batch, self._asked)
        self._lane.wait()
        if not gate.enter():
            return None
        with self._lane.turn:
            self._lane.follow()
            try:
                returned = into_model(self._label, self.model.predict, batch)
                outputs = self._fetch(named(returned, "predict() should return"), out)
            except BaseException:
                # Whoever comes next follows what was begun until then.
                self._lane.lead()
                raise
        gate.launched()
        self._asked = asked(batch)
        self._lane.wait()
        return outputs

    def _fetch(self, returned: Mapping[str, Any], out: Out) -> Mapping[str, Any]:
        """Begin to fetch what the model returned, before the next batch may write to it, or not."""
        if self.model.outputs_are_new:
            self._lane.lead()
        outputs = self._lane.fetch(out.write(returned))
        if not self.model.outputs_are_new:
            self._lane.lead()
        return outputs

    def _fetched(self, returned: Mapping[str, Any], out: Out) -> Mapping[str, Any]:
        outputs = self._lane.fetch(out.write(returned))
        self._lane.wait()
        return outputs


def into_model(label: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """Call a model; a process that it forked does not come back from it."""
    try:
        return call(*arguments)
    finally:
        if forking.child:
            forking.end_child(label)
