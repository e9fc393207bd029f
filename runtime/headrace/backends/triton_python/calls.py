"""Requests that a `TritonPythonModel` makes of other models, and what they are answered with."""

import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from headrace.backends.triton_python.refusals import TritonModelException
from headrace.backends.triton_python.response import InferenceResponse, TritonError
from headrace.backends.triton_python.tensor import Tensor
from headrace.errors import CalledEarly, CallFailed
from headrace.models import Context
from headrace.models.calling import Answer, Call, Ongoing

if TYPE_CHECKING:
    from headrace.backends.triton_python.instance import Instance

#: Of the model that this thread calls; a thread of the model's own has none.
caller: ContextVar[Context | None] = ContextVar("headrace_triton_caller", default=None)
#: Those of this process that have begun.
instances: "weakref.WeakSet[Instance]" = weakref.WeakSet()

#: The core's word for why → Triton's code; INTERNAL for others.
CODES: Final = {
    "invalid": TritonError.INVALID_ARG,
    "too_large": TritonError.INVALID_ARG,
    "not_found": TritonError.NOT_FOUND,
    "forbidden": TritonError.INVALID_ARG,
    "unsupported": TritonError.UNSUPPORTED,
    "overloaded": TritonError.UNAVAILABLE,
    "expired": TritonError.UNAVAILABLE,
    "unavailable": TritonError.UNAVAILABLE,
    "cancelled": TritonError.CANCELLED,
}


class ResponseIterator:
    """What a decoupled model answers, one response after the other; an error is the last."""

    def __init__(self, ongoing: Ongoing) -> None:
        self._ongoing = ongoing
        self._is_over = False

    def __iter__(self) -> Iterator[InferenceResponse]:
        return self

    def __next__(self) -> InferenceResponse:
        if self._is_over:
            raise StopIteration
        try:
            answer = self._ongoing.next()
        except CallFailed as error:
            self._is_over = True
            return failed(error)
        if answer is None:
            self._is_over = True
            raise StopIteration
        return response(answer)

    def cancel(self) -> None:
        """Take the request back: its model may hear of that."""
        self._ongoing.cancel()


def begin(call: Call, *, in_parts: bool) -> Ongoing:
    """Send it as the model that this thread calls.

    Raises:
        CallFailed: it cannot be sent now.
        TritonModelException: the model calls before it serves, or nobody knows which one it is.
    """
    try:
        return context().caller.begin(call, in_parts=in_parts)
    except CalledEarly as error:
        raise TritonModelException(str(error)) from error


def context() -> Context:
    """Return that of the model that this thread calls.

    Raises:
        TritonModelException: nobody knows which one it is.
    """
    if (known := caller.get()) is not None:
        return known
    only, *others = [one.context for one in instances] or [None]
    if only is not None and not others:
        return only
    raise TritonModelException(
        "which model calls is not known in this thread, for several are in this process: start it "
        "with contextvars.copy_context().run, or serve it on Ray, in a process of its own"
    )


def whole(ongoing: Ongoing) -> InferenceResponse:
    """Return the only response; blocks until it is there."""
    try:
        answer = ongoing.next()
    except CallFailed as error:
        return failed(error)
    if answer is None:
        return failed(CallFailed("internal", "the request ended without a response"))
    return response(answer)


def response(answer: Answer) -> InferenceResponse:
    """Return an answer as Triton has it: with arrays of the model's own, to write to."""
    tensors = [Tensor(name, _array(value)) for name, value in answer.outputs.items()]
    return InferenceResponse.received(tensors, answer.parameters)


def failed(error: CallFailed) -> InferenceResponse:
    """Return the response of who has none."""
    return InferenceResponse(error=TritonError(error.text, CODES.get(error.code, 1)))


def _array(value: Any) -> Any:
    import numpy as np

    if isinstance(value, np.ndarray):
        return np.array(value)
    elements = np.empty(len(value), dtype=np.object_)
    elements[:] = [bytes(one) for one in value]
    return elements.reshape(value.shape)
