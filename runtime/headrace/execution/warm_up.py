"""A version's first batches, which are run before there is a request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

from headrace.errors import DeviceLost, ModelBroken
from headrace.execution import lanes, warming
from headrace.execution.calling import Calling
from headrace.execution.device.seam import Device
from headrace.execution.memory.reckoning import Reckoning
from headrace.execution.passage import Passage
from headrace.execution.voices import text_of
from headrace.models import Model, Tensor
from headrace.repository.folder import Version


@dataclass(frozen=True)
class WarmUp:
    """Of one version, whose model is loaded.

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

        config = self.version.config
        lane = device.lane()
        found = samples.samples(self.version, self.inputs)
        examples: list[samples.Example] = [one.example for one in found] or [model.example]
        sizes = config.batching.allowed_rows or sorted({1, config.batching.max_rows})
        kept = recording.recorded(self.recorded, self.inputs) if self.recorded else []
        own = len(sizes) * len(examples)
        first = warming.Batches(
            warming.batches(sizes, examples, kept), config.warmup.max_s, monotonic
        )
        # Requests that are answered in parts share no arrays.
        run = (
            partial(rehearsal.run, model, device.name)
            if config.streams
            else partial(trial.run, Passage(self.version.label, model, lane), config=config)
        )
        is_real = bool(found) or model.example(1) is not None
        most: int | None = None
        with lanes.inference_mode(), lane.using():
            for at, (planned, example) in enumerate(first):
                rows = planned if most is None else min(planned, most)
                while True:
                    try:
                        done = run(rows, monotonic, example=example)
                        if said := warming.near_the_limit(done, config.limits.hang_timeout_s):
                            self.say(said)
                        self.memory.ran(rows)
                        break
                    except (ModelBroken, DeviceLost):
                        raise
                    except Exception as error:
                        smaller = warming.smaller(config.batching.allowed_rows, rows)
                        is_large = not config.streams and model.is_out_of_memory(error)
                        if is_large and smaller:
                            lanes.release_memory(error)
                            self.say(warming.too_large(rows, smaller))
                            most = rows = smaller
                            continue
                        raised = f"{type(error).__name__}: {text_of(error)}"
                        if self.calling.was_early:
                            self.say(f"warmed up until where it calls another model ({raised})")
                            return most
                        if is_real and at < own:
                            raise
                        self.say(warming.excuse(raised, made_up=at < own))
                        return most
        if first.left_out:
            self.say(first.left_out)
        return most
