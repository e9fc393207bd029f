"""How a model goes on with the requests at work: all in one call, or generators in turns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from headrace import models
from headrace.errors import ModelBroken
from headrace.execution.core import CoreSequence
from headrace.execution.outputs import to_host
from headrace.models import behalf
from headrace.models.batch import place_on
from headrace.models.behalf import working_for
from headrace.models.sequence import work_of

#: Answers one request with what its model raised.
Fail = Callable[[CoreSequence, BaseException], None]


class Stepping(Protocol):
    """What a model keeps of the requests at work."""

    def join(self, core: CoreSequence) -> None:
        """Take in one that goes on from the next `advance` on."""

    def forget(self, number: int) -> None:
        """Let go of one that ended, and of what the model kept for it."""

    def advance(self) -> None:
        """Call the model once for all of them; what it raises for all of them comes through."""


def stepping(model: models.Model, device: str, fail: Fail) -> Stepping:
    """Return how this model is stepped: by its ``step``, or by its ``stream``."""
    if type(model).step is not models.Model.step:
        return Together(model, device)
    return Turns(model, device, fail)


class Together:
    """All requests in one call of ``step``."""

    def __init__(self, model: models.Model, device: str) -> None:
        self._model = model
        self._device = device
        self._at_work: dict[int, models.Sequence] = {}

    def join(self, core: CoreSequence) -> None:
        emit = partial(_emit, core, "emit() takes")
        self._at_work[core.number] = models.Sequence(core, emit, self._device)

    def forget(self, number: int) -> None:
        self._at_work.pop(number, None)

    def advance(self) -> None:
        working_for.set(behalf.Together([work_of(one) for one in self._at_work.values()]))
        try:
            returned: Any = self._model.step(list(self._at_work.values()))  # type: ignore[func-returns-value]
        finally:
            # Else what has ended would be kept, with its inputs, until the next step.
            working_for.set(None)
        if returned is not None:
            raise ModelBroken(
                "step() should return None and give each part to its sequence's emit(), but it "
                f"returned {type(returned).__name__}"
            )


class Turns:
    """One ``next()`` of each request's generator."""

    def __init__(self, model: models.Model, device: str, fail: Fail) -> None:
        self._model = model
        self._place = place_on(device)
        self._fail = fail
        self._at_work: dict[int, _Turn] = {}

    def join(self, core: CoreSequence) -> None:
        self._at_work[core.number] = _Turn(core)

    def forget(self, number: int) -> None:
        turn = self._at_work.pop(number, None)
        close = getattr(turn and turn.parts, "close", None)
        if turn is None or close is None:
            return
        try:
            close()
        except BaseException as error:
            self._fail(turn.core, error)

    def advance(self) -> None:
        for turn in self._at_work.values():
            # Each may take as long as a step, and those after it may have left meanwhile.
            if not turn.core.begin_turn():
                continue
            try:
                self._next(turn)
            except BaseException as error:
                self._fail(turn.core, error)
            finally:
                working_for.set(None)

    def _next(self, turn: "_Turn") -> None:
        working_for.set(turn.core)
        if turn.parts is None:
            turn.parts = _iterator(self._model.stream(models.Batch(turn, self._place)))
        try:
            part = next(turn.parts)
        except StopIteration:
            if not turn.rejected:
                turn.core.end()
            return
        if turn.rejected:
            return
        _emit(turn.core, "stream() should yield", part)
        # The next one's turn may take long, and this part is ready.
        turn.core.flush()


@dataclass
class _Turn:
    """A request as the rows of a batch, and its generator."""

    core: CoreSequence
    parts: Iterator[Mapping[str, Any]] | None = None
    rejected: bool = False

    @property
    def rows(self) -> int:
        return self.core.rows

    @property
    def inputs(self) -> Mapping[str, Any]:
        return self.core.inputs

    @property
    def sizes(self) -> Mapping[str, Any]:
        """Of one request, no input is padded."""
        return {}

    @property
    def offsets(self) -> Mapping[str, Any]:
        """Of one request, no input is ragged."""
        return {}

    @property
    def parameters(self) -> Sequence[Mapping[str, Any]]:
        return [self.core.parameters] * self.rows

    @property
    def requests(self) -> Sequence[int]:
        return [self.rows]

    @property
    def sequences(self) -> Sequence[Any]:
        """What is answered in parts is of no sequence."""
        return []

    def live(self) -> Sequence[bool]:
        return [self.core.is_live] * self.rows

    def reject(self, row: int, why: str) -> None:
        if not 0 <= row < self.rows:
            raise IndexError(f"no row {row} in a request of {self.rows} rows")
        # A request has one answer: with one of its rows it is refused as a whole.
        self.core.reject(why if self.rows == 1 else f"row {row}: {why}")
        self.rejected = True


def _iterator(returned: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(returned, Mapping) or not isinstance(returned, Iterable):
        raise ModelBroken(
            "stream() should be a generator, which yields a dict of output name to array for each "
            f"part, but it returned {type(returned).__name__}: write `yield` instead of `return`"
        )
    return iter(returned)


def _emit(core: CoreSequence, who: str, part: Any) -> None:
    wrong = core.emit(to_host(part, who))
    if wrong is not None:
        raise ModelBroken(wrong)
