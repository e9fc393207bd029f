"""A version's first batches, which are run before there is a request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from headrace.errors import DeviceLost, ModelBroken
from headrace.execution import lanes, warming
from headrace.execution.calling import Calling
from headrace.execution.device.seam import Device, Lane
from headrace.execution.memory.reckoning import Reckoning
from headrace.execution.passage import Passage
from headrace.execution.voices import text_of
from headrace.models import Model, Tensor
from headrace.repository.folder import Version

if TYPE_CHECKING:
    from headrace.execution.samples import Example
    from headrace.execution.trial import Trial


@dataclass
class WarmUp:
    """Of one version, whose model is loaded; run once.

    Attributes:
        inputs: what callers send.
        recorded: where what callers of the model sent is kept, if it is.
        calling: tells whether the model calls others, which nobody answers yet.
        memory: is told what was taken after each batch.
        say: tells people.
    """

    version: Version
    inputs: Sequence[Tensor]
    recorded: Path | None
    calling: Calling
    memory: Reckoning
    say: Callable[[str], None]
    #: The rows that a batch may have, since larger ones were out of memory.
    _most: int | None = None
    #: What runs batches, by lane; and the rows and the example of the first that went well.
    _run_by: "Callable[[Lane], Callable[..., Trial]]" = field(init=False)
    _well: "tuple[int, Example] | None" = None
    _batches: warming.Batches = field(init=False)
    #: Whether what was made up, and what was recorded, has failed.
    _failed: set[bool] = field(default_factory=set)

    def run(self, model: Model, device: Device) -> int | None:
        """Run the smallest and the largest batch, or one of each size that is allowed.

        Once with each sample beside the version, and then what was recorded of callers, as long as
        its time is not over. Numbers that were made up may be no input, nor may what was meant for
        another version: what the model raises on them is shown, and the version serves. What it
        *returns* must be what it declares, whatever the input.

        Returns:
            The rows that a batch may have where larger ones ran out of memory, else None.

        Raises:
            ModelBroken, DeviceLost: it cannot serve. Others: what the model raised on its own
                example.
        """
        # Brings NumPy, which must not come before its count of threads is set.
        from headrace.execution import recording, rehearsal, samples, trial

        config, label = self.version.config, self.version.label
        found = samples.samples(self.version, self.inputs)
        examples: list[samples.Example] = [one.example for one in found] or [model.example]
        sizes = config.batching.allowed_rows or sorted({1, config.batching.max_rows})
        kept = recording.recorded(self.recorded, self.inputs) if self.recorded else ()
        first = self._batches = warming.Batches(
            warming.batches(sizes, examples),
            warming.recorded(sizes, kept),
            config.warmup.max_s,
            monotonic,
        )

        def run_by(lane: Lane) -> "Callable[..., Trial]":
            # Requests that are answered in parts share no arrays.
            if config.streams:
                return partial(rehearsal.run, model, device.name, clock=monotonic)
            # Without `self`, which has this: the model goes with the last who refers to it.
            passage = Passage(label, model, lane)
            return partial(trial.run, passage, clock=monotonic, config=config)

        self._run_by = run_by
        lane = device.lane()
        run = run_by(lane)
        is_real = bool(found) or model.example(1) is not None
        with lanes.inference_mode(), lane.using():
            for planned, example, is_own in first:
                if is_own and (is_own in self._failed or planned > (self._most or planned)):
                    continue
                rows = min(planned, self._most or planned)
                error = self._fitting(model, partial(run, example=example), rows)
                if error is None and self._well is None:
                    self._well = self._most or rows, example
                if error is not None and not self._goes_on(error, is_own=is_own, is_real=is_real):
                    return self._most
        if first.left_out:
            self.say(first.left_out)
        return self._most

    def again(self, lane: Lane) -> None:
        """Run the first batch that went well once more, if there is time, by another lane."""
        if self._well is not None and not self._batches.is_over:
            rows, example = self._well
            self._run_by(lane)(rows, example=example)

    def _fitting(self, model: Model, run: Callable[[int], "Trial"], rows: int) -> Exception | None:
        """Run a batch, or smaller ones while it is out of memory; return what else it raised."""
        config = self.version.config
        while True:
            self.calling.was_early = False
            try:
                done = run(rows)
            except (ModelBroken, DeviceLost):
                raise
            except Exception as error:
                smaller = warming.smaller(config.batching.allowed_rows, rows)
                if config.streams or not smaller or not model.is_out_of_memory(error):
                    return error
                lanes.release_memory(error)
                self.say(warming.too_large(rows, smaller))
                self._most = rows = smaller
                continue
            if said := warming.near_the_limit(done, config.limits.hang_timeout_s):
                self.say(said)
            self.memory.ran(rows)
            return None

    def _goes_on(self, error: Exception, *, is_own: bool, is_real: bool) -> bool:
        """Say what was raised, and whether other batches are of use all the same."""
        raised = f"{type(error).__name__}: {text_of(error)}"
        if self.calling.was_early:
            self.say(f"warmed up until where it calls another model ({raised})")
            return False
        if is_real and is_own:
            raise error
        if is_own not in self._failed:
            self.say(warming.excuse(raised, made_up=is_own))
        self._failed.add(is_own)
        return True
