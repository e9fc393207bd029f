"""Requests that nobody sent, to a model that answers in parts: to warm it up, and to check it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from headrace.execution.core import CoreSequence
from headrace.execution.outputs import verify
from headrace.execution.samples import Example
from headrace.execution.stepping import stepping
from headrace.execution.trial import Trial, inputs
from headrace.models import Model, Tensor
from headrace.models.behalf import NOBODYS

#: Of one trial: what was made up may ask for more than anybody waits for.
MOST_STEPS: Final = 16
#: How long nobody says anything of those that rest, in seconds.
SILENT_S: Final = 5.0
#: For an input of one whole number: it may be how many parts are asked for, and 0 would be none.
SOME: Final = 4


class MadeUpSequence:
    """A request without a caller, who would read everything."""

    is_paused = False
    behalf = NOBODYS

    def __init__(self, number: int, given: Mapping[str, Any], outputs: Sequence[Tensor]) -> None:
        self.number = number
        self.rows = 1
        self.inputs = given
        self.parameters: Mapping[str, Any] = {}
        #: Why the model refused it.
        self.rejected = ""
        self.has_ended = False
        #: How many it was sent.
        self.parts = 0
        self._outputs = outputs
        #: Set unless it rests.
        self.goes_on = threading.Event()
        self.goes_on.set()

    def rest(self) -> None:
        """Be in no step of its own."""
        self.goes_on.clear()

    def wake(self) -> None:
        """Be in the next one."""
        self.goes_on.set()

    @property
    def is_live(self) -> bool:
        """True until the model ends it."""
        return not self.has_ended

    def begin_turn(self) -> bool:
        """Nobody measures the time of its turns."""
        return self.is_live and not self.is_paused

    def emit(self, outputs: Mapping[str, Any]) -> str | None:
        """Check a part as the core does."""
        if self.has_ended:
            raise RuntimeError("it has ended: parts come before the end")
        verify(self._outputs, self.rows, outputs)
        self.parts += 1
        return None

    def flush(self) -> None:
        """Send to nobody."""

    def end(self) -> None:
        """Be in no later step."""
        self.has_ended = True

    def fail(self, message: str) -> None:
        """Be in no later step."""
        self.has_ended = True

    def reject(self, why: str) -> None:
        """Keep the reason."""
        self.rejected, self.has_ended = why, True


def run(
    model: Model,
    device: str,
    count: int,
    clock: Callable[[], float],
    example: Example | None = None,
) -> Trial:
    """Step ``count`` requests of one row until they end; what the model raises comes through.

    ``example`` gives their inputs; the model's own, if left out.

    Raises:
        ModelBroken: a part is not what it declared, or its example does not fit.
    """

    def fail(core: CoreSequence, error: BaseException) -> None:
        raise error

    all_of_them = [
        MadeUpSequence(number, inputs(model, 1, single=SOME, example=example), model.outputs)
        for number in range(count)
    ]
    at_work = stepping(model, device, fail)
    for one in all_of_them:
        at_work.join(one)
    left, slowest, steps = all_of_them, 0.0, 0
    while left and steps < MOST_STEPS:
        if not woken(left):
            break
        began = clock()
        at_work.advance()
        slowest = max(slowest, clock() - began)
        steps += 1
        for one in left:
            if one.has_ended:
                at_work.forget(one.number)
        left = [one for one in left if not one.has_ended]
    for one in left:
        at_work.forget(one.number)
    rejected = {one.number: one.rejected for one in all_of_them if one.rejected}
    return Trial(count, slowest, rejected, steps, sum(one.parts for one in all_of_them))


def woken(at_work: Sequence[MadeUpSequence]) -> bool:
    """Wait for the first, where all rest; False when nobody wakes it."""
    if any(one.goes_on.is_set() for one in at_work):
        return True
    # One is enough to see a model at work, and it speaks of all of them.
    return at_work[0].goes_on.wait(SILENT_S)
