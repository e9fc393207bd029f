"""A request that is answered in parts, as `Model.step` goes on with it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from headrace.models.behalf import Behalf, Work
from headrace.models.reason import reason

if TYPE_CHECKING:
    import torch


class Parts(Protocol):
    """What a sequence is made of: the core's, or one that was made up to warm a model up."""

    @property
    def rows(self) -> int: ...
    @property
    def inputs(self) -> Mapping[str, Any]: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def is_paused(self) -> bool: ...
    @property
    def behalf(self) -> Behalf: ...
    def end(self) -> None: ...
    def rest(self) -> None: ...
    def wake(self) -> None: ...
    def reject(self, why: str) -> None: ...


class Sequence:
    """One request at work. It stands in each step's list until it ends or its caller leaves."""

    __slots__ = ("__weakref__", "_device", "_emit", "_over", "_parts", "state")

    def __init__(
        self, parts: Parts, emit: Callable[[Mapping[str, Any]], None], device: str = "cpu"
    ) -> None:
        self._parts = parts
        self._emit = emit
        self._device = device
        #: Which of its methods the model ended it with.
        self._over = ""
        #: The model's own, None at first: a cache, what was generated. Dropped with the sequence.
        self.state: Any = None

    @property
    def rows(self) -> int:
        """How many rows there are: the first axis of its inputs and of its parts."""
        return self._parts.rows

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Its inputs by name, each a read-only view ``[rows, *shape]`` as a batch's."""
        return self._parts.inputs

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What its caller sent as request parameters."""
        return self._parts.parameters

    @property
    def is_paused(self) -> bool:
        """Its caller has not read what was sent: pass it over, or compute and emit later."""
        return self._parts.is_paused

    def tensor(self, name: str) -> "torch.Tensor":
        """Return an input as a PyTorch tensor on the model's device, not to be written to.

        Raises:
            KeyError: the model declares no input of that name.
            TypeError: the input is of BYTES.
        """
        from headrace.models.torch_tensor import view

        return view(name, self._parts.inputs[name], self._device)

    def emit(self, **outputs: Any) -> None:
        """Send one part: for each declared output an array ``[rows, *shape]``, as ``predict``'s.

        Parts go out when the step returns.

        Raises:
            ModelBroken: it is not what the model declared.
            RuntimeError: it is paused, it has ended, the model is in no step, or this is another
                thread than the step's.
        """
        self._check_open("emit")
        self._emit(outputs)

    def rest(self) -> None:
        """Say that what it will emit comes from elsewhere: no step is for it alone until `wake`.

        Look once more behind it whether something has come meanwhile, and say `wake` then.

        Raises:
            RuntimeError: it has ended, or the model is in no step.
        """
        self._check_open("rest")
        self._parts.rest()

    def wake(self) -> None:
        """Have it stepped again, soon. Any thread may say so, at any time."""
        self._parts.wake()

    def end(self) -> None:
        """Say that the answer is whole: it is in no later step.

        Raises:
            RuntimeError: it has ended, or the model is in no step.
        """
        self._check_open("end")
        self._parts.end()
        self._over = "end"

    def reject(self, why: str) -> None:
        """End it: its caller gets "bad request" and ``why``.

        Raises:
            RuntimeError: it has ended, or the model is in no step.
            TypeError: ``why`` is no text.
        """
        self._check_open("reject")
        self._parts.reject(reason(why))
        self._over = "reject"

    def _check_open(self, verb: str) -> None:
        if self._over:
            raise RuntimeError(
                f"{verb}() of a sequence after its {self._over}(), which ends it: say "
                f"{self._over}() once, and after the last part"
            )


def work_of(sequence: Sequence) -> Work:
    """Return what says on whose behalf a model goes on with it."""
    return sequence._parts
