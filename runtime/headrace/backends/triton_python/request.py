"""`pb_utils.InferenceRequest`: what one caller sent, or one row of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from headrace.backends.triton_python.refusals import NO_CALLS, refuse
from headrace.backends.triton_python.sender import ResponseSender
from headrace.backends.triton_python.tensor import Tensor

START: Final = 1
END: Final = 2
#: Methods of a request that are not served.
NOT_TOLD: Final = {
    "request_id": "a request's id stays with the gateway: send it as a parameter",
    "timeout": "deadlines are kept by the server: ask is_cancelled()",
    "trace": "requests have no traces",
    "preferred_memory": NO_CALLS,
    "exec": NO_CALLS,
    "async_exec": NO_CALLS,
    "set_flags": NO_CALLS,
    "set_correlation_id": NO_CALLS,
    "set_release_flags": "a request runs once: iterate in execute()",
}


@dataclass(frozen=True)
class Told:
    """What every request of a version says of it."""

    model: str
    version: int
    outputs: Sequence[str]


class InferenceRequest:
    """One request, as `execute` gets it; a model that makes one is told that none can be sent."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """Refuse: it would be sent to another model.

        Raises:
            TritonModelException: always.
        """
        refuse("InferenceRequest()", NO_CALLS)

    _told: Told
    _inputs: list[Tensor]
    _parameters: Mapping[str, Any]
    _sequence: Any
    _sender: ResponseSender

    @staticmethod
    def received(
        told: Told,
        inputs: Sequence[Tensor],
        parameters: Mapping[str, Any],
        sender: ResponseSender,
        sequence: Any = None,
    ) -> "InferenceRequest":
        """Return what a caller sent.

        Args:
            told: of the version.
            inputs: of this request.
            parameters: of this request.
            sender: where its answer goes.
            sequence: that it is of: ``id``, ``start`` and ``end``; None if of none.
        """
        one = InferenceRequest.__new__(InferenceRequest)
        one._told = told
        one._inputs = list(inputs)
        one._parameters = parameters
        one._sequence = sequence
        one._sender = sender
        return one

    def inputs(self) -> list[Tensor]:
        """Return its inputs."""
        return self._inputs

    def parameters(self) -> str:
        """Return the parameters that its caller sent, as a JSON object."""
        return json.dumps(dict(self._parameters))

    def requested_output_names(self) -> list[str]:
        """Return the names of all outputs: what nobody asked for is dropped later."""
        return list(self._told.outputs)

    def model_name(self) -> str:
        """Return the model's name."""
        return self._told.model

    def model_version(self) -> int:
        """Return the version's number."""
        return self._told.version

    def correlation_id(self) -> int | str:
        """Return which sequence it is of; 0 if of none."""
        return 0 if self._sequence is None else self._sequence.id

    def flags(self) -> int:
        """Return whether it begins a sequence (1) and ends it (2), or-ed."""
        if self._sequence is None:
            return 0
        return START * bool(self._sequence.start) | END * bool(self._sequence.end)

    def is_cancelled(self) -> bool:
        """Return whether its caller waits no more, as of now."""
        return self._sender.is_cancelled()

    def get_response_sender(self) -> ResponseSender:
        """Return what sends its answer, now or from another thread."""
        self._sender.is_taken = True
        return self._sender

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name not in NOT_TOLD:
            raise AttributeError(f"pb_utils.InferenceRequest has no {name}")

        def refused(*given: Any, **named: Any) -> NoReturn:
            refuse(f"InferenceRequest.{name}()", NOT_TOLD[name])

        return refused
